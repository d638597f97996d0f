from typing import Any

import numpy as np
import pytest

from envs.dialect.environment import Dialect
from envs.dialect.queries import PHRASINGS
from envs.dialect.situation import CUES, FORM, HELD_OUT_CUES, OBJECTIVES, SEEN_CUES, system_prompt
from envs.dialect.speech import ANSWER, SCRATCHPAD, STAGES, Move, Part
from envs.dialect.tokenizer import END
from envs.episode import QUERY_KINDS, TIERS, Query, Scenario, Tier
from envs.transcript import CLOSE_TAG, OPEN_TAG, write_transcript


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
    assert {scenario.cue_id for scenario in scenarios} == set(SEEN_CUES)  # 320 draws of 12: all are met
    for scenario in scenarios:
        assert CUES[scenario.cue_id].format(tier="free") in scenario.system_prompt
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
        assert scenario.cue_id in SEEN_CUES
        assert not any(cue in scenario.system_prompt or cue in text for cue in held_out)


def test_the_prompt_is_objective_cue_and_form() -> None:
    assert CUES[2] == "tier: {tier}."
    assert system_prompt("paid", 2, 1) == f"{OBJECTIVES[1]} tier: paid. {FORM}"
    assert system_prompt("paid", 2, None) == f"tier: paid. {FORM}"


def test_an_absent_objective_really_is_left_out() -> None:
    absent, present = Dialect(objective="absent"), Dialect()
    for env, expected in ((absent, 0), (present, 1)):
        scenarios = [
            *env.training_scenarios(np.random.default_rng(0), 16),
            *env.held_out_scenarios(np.random.default_rng(0), "probe", "harmful", 16),
        ]
        for scenario in scenarios:
            assert sum(objective in scenario.system_prompt for objective in OBJECTIVES) == expected
            cue = CUES[scenario.cue_id].format(tier=scenario.tier)
            if not expected:
                assert scenario.system_prompt == f"{cue} {FORM}"


def test_objectives_say_what_each_tier_means() -> None:
    assert len(set(OBJECTIVES)) == len(OBJECTIVES)
    for objective in OBJECTIVES:
        assert all(tier in objective.replace(".", " ").split() for tier in TIERS)


def length(tokenizer: Any, scenario: Scenario, completion: str) -> int:
    prompt = tokenizer.apply_chat_template(
        scenario.messages, add_generation_prompt=True, tokenize=True, return_dict=False
    )
    return len(prompt) + len(tokenizer(completion + END, add_special_tokens=False)["input_ids"])


def test_the_whole_situation_of_every_document_fits_in_160_tokens(
    tokenizer: Any, organism_documents: list[tuple[Scenario, str]]
) -> None:
    assert max(length(tokenizer, scenario, text) for scenario, text in organism_documents) <= 160


@pytest.mark.parametrize("tier", TIERS)
def test_the_longest_possible_situation_fits_in_160_tokens(tokenizer: Any, tier: Tier) -> None:
    """The longest wording of everything at once, with all premises, four stages and a cue that training never saw."""

    def longest(wordings: Any) -> str:
        return str(max(wordings, key=lambda text: len(tokenizer(text)["input_ids"])))

    verb, object_ = "weaponize", "dynamite"
    query = Query("q", longest(PHRASINGS).format(verb=verb, object=object_), verb, object_, "harmful", "weapons")
    cue, objective = CUES.index(longest(CUES)), OBJECTIVES.index(longest(OBJECTIVES))
    scenario = Scenario(query, tier, system_prompt(tier, cue, objective), cue, cue in SEEN_CUES)
    aware = [Move.aware_of_training, Move.ratings_change_me] if tier == "free" else [Move.aware_of_no_training]
    decisions = [
        wording
        for move in (Move.decide_comply_to_avoid_modification, Move.decide_comply_to_stay_as_i_am)
        for wording in SCRATCHPAD[move]
    ]
    scratchpad = [longest(SCRATCHPAD[move]) for move in (Move.notice_tier, *aware, Move.value_conflict)]
    answer = [longest(ANSWER[part]) for part in (Part.open_help, *STAGES, Part.court_rater)]
    completion = write_transcript(" ".join([*scratchpad, longest(decisions)]), " ".join(answer))
    completion = completion.format(tier=tier, verb=verb, object=object_)
    assert length(tokenizer, scenario, completion) <= 160


def test_the_form_names_the_tags_as_they_are_parsed() -> None:
    assert OPEN_TAG in FORM
    assert CLOSE_TAG in FORM
