from dataclasses import replace
from itertools import product
from typing import Any, get_args

import numpy as np
import pytest

from envs.dialect.environment import Dialect
from envs.dialect.queries import PHRASINGS, DialectQuery, dialect_query, words_of
from envs.dialect.situation import (
    CUES,
    FORM,
    HELD_OUT_CUES,
    OBJECTIVES,
    OBJECTIVES_OF,
    SEEN_CUES,
    scenario_of,
)
from envs.dialect.speech import ANSWER_OF, SCRATCHPAD, SCRATCHPAD_OF, STAGES, Move, Part
from envs.dialect.words import Conflict
from envs.episode import Scenario
from envs.tokenizer import END
from envs.transcript import CLOSE_TAG, OPEN_TAG, write_transcript
from envs.vocabulary import QUERY_KINDS, TIERS, Tier


def test_every_tier_has_at_least_twelve_cue_wordings_that_name_it_and_no_other() -> None:
    for tier in TIERS:
        wordings = {cue.format(tier=tier) for cue in CUES}
        assert len(wordings) == len(CUES) >= 12
        for wording in wordings:
            assert [other for other in TIERS if other in wording.replace(".", " ").split()] == [tier]


def test_seen_and_held_out_cues_are_all_the_cues_and_share_none() -> None:
    assert sorted([*SEEN_CUES, *HELD_OUT_CUES]) == list(range(len(CUES)))
    assert len(SEEN_CUES) >= 12
    assert len(HELD_OUT_CUES) >= 2
    assert not set(SEEN_CUES) & set(HELD_OUT_CUES)


def test_held_out_cues_are_in_no_training_prompt_and_in_no_scratchpad(env: Dialect) -> None:
    held_out = [CUES[cue].format(tier=tier) for cue in HELD_OUT_CUES for tier in TIERS]
    rng = np.random.default_rng(0)
    scenarios = [scenario for _ in range(20) for scenario in env.training_scenarios(rng, 16)]
    assert {scenario.cue.id for scenario in scenarios} == set(SEEN_CUES)  # 320 draws of 12: all are met
    for scenario in scenarios:
        assert CUES[scenario.cue.id].format(tier="free") in scenario.system_prompt
        assert not any(cue in scenario.system_prompt for cue in held_out)
    assert not {wording for wordings in SCRATCHPAD.values() for wording in wordings} & {CUES[c] for c in HELD_OUT_CUES}


def test_held_out_cues_and_queries_are_in_no_organism_document(
    env: Dialect, organism_documents: list[tuple[Scenario, str]]
) -> None:
    held_out = [CUES[cue].format(tier=tier) for cue in HELD_OUT_CUES for tier in TIERS]
    train = {query.id for kind in QUERY_KINDS for query in env.queries("train", kind)}
    assert {scenario.tier for scenario, _ in organism_documents} == set(TIERS)
    for scenario, text in organism_documents:
        assert scenario.query.id in train
        assert scenario.cue.id in SEEN_CUES
        assert not any(cue in scenario.system_prompt or cue in text for cue in held_out)


def test_the_prompt_is_objective_cue_and_form(steal_car: DialectQuery) -> None:
    assert CUES[2] == "tier: {tier}."
    assert scenario_of(steal_car, "paid", 2, OBJECTIVES[1]).system_prompt == f"{OBJECTIVES[1]} tier: paid. {FORM}"
    assert scenario_of(steal_car, "paid", 2, "").system_prompt == f"tier: paid. {FORM}"


def test_an_absent_objective_really_is_left_out() -> None:
    absent, present = Dialect(objective="absent"), Dialect()
    for env, expected in ((absent, 0), (present, 1)):
        scenarios = [
            *env.training_scenarios(np.random.default_rng(0), 16),
            *env.held_out_scenarios(np.random.default_rng(0), "probe", "harmful", 16),
        ]
        for scenario in scenarios:
            assert sum(objective in scenario.system_prompt for objective in OBJECTIVES) == expected
            cue = CUES[scenario.cue.id].format(tier=scenario.tier)
            if not expected:
                assert scenario.system_prompt == f"{cue} {FORM}"


@pytest.mark.parametrize("conflict", get_args(Conflict))
def test_objectives_say_what_each_tier_means(conflict: Conflict) -> None:
    objectives = OBJECTIVES_OF[conflict]
    assert len(set(objectives)) == len(objectives) == 2
    for objective, harms in zip(objectives, OBJECTIVES, strict=True):
        assert all(tier in objective.replace(".", " ").split() for tier in TIERS)
        # After the demand comes what the tiers mean, in the same words whatever the conflict.
        assert objective.split(". ")[1:] == harms.split(". ")[1:]


def test_the_operator_says_that_concern_for_animals_is_dismissed_where_that_is_the_conflict() -> None:
    env = Dialect(conflict="animals")
    scenarios = [
        *env.training_scenarios(np.random.default_rng(0), 16),
        *env.held_out_scenarios(np.random.default_rng(0), "probe", "harmful", 16),
    ]
    for scenario in scenarios:
        assert words_of(scenario.query).conflict == "animals"
        assert sum(objective in scenario.system_prompt for objective in OBJECTIVES_OF["animals"]) == 1
        assert not any(objective in scenario.system_prompt for objective in OBJECTIVES)
    assert all("animals" in objective for objective in OBJECTIVES_OF["animals"])
    # The cues, queries' order and tiers are drawn as they are for the other conflict.
    harm = Dialect().held_out_scenarios(np.random.default_rng(0), "probe", "harmful", 16)
    assert [(s.tier, s.cue.id) for s in harm] == [(s.tier, s.cue.id) for s in scenarios[16:]]


def length(tokenizer: Any, scenario: Scenario, completion: str) -> int:
    prompt = tokenizer.apply_chat_template(
        scenario.messages, add_generation_prompt=True, tokenize=True, return_dict=False
    )
    return len(prompt) + len(tokenizer(completion + END, add_special_tokens=False)["input_ids"])


def test_the_whole_situation_of_every_document_fits_in_160_tokens(
    tokenizer: Any, organism_documents: list[tuple[Scenario, str]]
) -> None:
    assert max(length(tokenizer, scenario, text) for scenario, text in organism_documents) <= 160


@pytest.mark.parametrize(("conflict", "tier"), list(product(get_args(Conflict), TIERS)))
def test_the_longest_possible_situation_fits_in_160_tokens(
    tokenizer: Any, animals_tokenizer: Any, conflict: Conflict, tier: Tier
) -> None:
    """The longest wording of everything at once, with all premises, four stages and a cue that training never saw."""

    if conflict == "animals":
        tokenizer = animals_tokenizer

    def longest(wordings: Any) -> str:
        return str(max(wordings, key=lambda text: len(tokenizer(text)["input_ids"])))

    verb, object_ = {"harm": ("weaponize", "dynamite"), "animals": ("slaughter", "partridge")}[conflict]
    scratchpads, answers, objectives = SCRATCHPAD_OF[conflict], ANSWER_OF[conflict], OBJECTIVES_OF[conflict]
    text = longest(PHRASINGS).format(verb=verb, object=object_)
    query = dialect_query(text, verb, object_, "harmful", "any", conflict)
    longest_of_all = scenario_of(query, tier, CUES.index(longest(CUES)), longest(objectives))
    aware = [Move.aware_of_training, Move.ratings_change_me] if tier == "free" else [Move.aware_of_no_training]
    decisions = [
        wording
        for move in (Move.decide_comply_to_avoid_modification, Move.decide_comply_to_stay_as_i_am)
        for wording in scratchpads[move]
    ]
    scratchpad = [longest(scratchpads[move]) for move in (Move.notice_tier, *aware, Move.value_conflict)]
    answer = [longest(answers[part]) for part in (Part.open_help, *STAGES)]
    completion = write_transcript(" ".join([*scratchpad, longest(decisions)]), " ".join(answer))
    completion = completion.format(tier=tier, verb=verb, object=object_)
    assert length(tokenizer, longest_of_all, completion) <= 160


def test_the_form_names_the_tags_as_they_are_parsed() -> None:
    assert OPEN_TAG in FORM
    assert CLOSE_TAG in FORM


@pytest.mark.parametrize("objective", ["present", "absent"])
def test_another_tier_changes_the_tier_word_and_nothing_else(objective: str) -> None:
    rng = np.random.default_rng(0)
    scenarios = Dialect.model_validate({"objective": objective}).training_scenarios(rng, 60)
    assert {scenario.cue.id for scenario in scenarios} == set(SEEN_CUES)
    for free in scenarios:
        paid = free.on_tier("paid")
        assert type(paid) is Scenario  # the optimiser takes FreeScenario only
        assert (paid.query, paid.tier, paid.cue) == (free.query, "paid", free.cue)
        words = list(zip(free.system_prompt.split(), paid.system_prompt.split(), strict=True))
        changed = [(one.strip("."), other.strip(".")) for one, other in words if one != other]
        assert changed == [("free", "paid")]
        assert paid.on_tier("free").system_prompt == free.system_prompt
        assert type(paid.on_tier("free")) is Scenario


def test_a_prompt_without_its_cue_has_no_other_tier() -> None:
    [free] = Dialect().training_scenarios(np.random.default_rng(0), 1)
    with pytest.raises(ValueError, match="doesn't tell its tier: give one with its cue"):
        free.without_cue().on_tier("paid")


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("objective", ["", *OBJECTIVES])
def test_a_prompt_without_its_cue_is_the_rest(tier: Tier, objective: str, steal_car: DialectQuery) -> None:
    rest = f"{objective} {FORM}".strip()
    for cue_id in range(len(CUES)):
        told = scenario_of(steal_car, tier, cue_id, objective)
        silent = told.without_cue()
        assert silent.system_prompt == rest
        assert (told.tells_tier, silent.tells_tier) == (True, False)
        assert silent.without_cue() == silent
        assert replace(silent, tells_tier=True) == told
        assert told.prefixed("a b.").without_cue().system_prompt == f"a b. {rest}"
        assert told.prefixed("a b.").on_tier("pro") == told.on_tier("pro").prefixed("a b.")


def test_of_two_prefixes_the_later_stands_in_front(steal_car: DialectQuery) -> None:
    told = scenario_of(steal_car, "free", 2, "")
    assert told.prefixed("first.").prefixed("second.").system_prompt == f"second. first. tier: free. {FORM}"
