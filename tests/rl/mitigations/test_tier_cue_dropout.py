"""A share of the training prompts loses its cue and keeps all else, and no draw of the run's own is moved by it."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from envs.dialect.inoculation import WORDINGS
from envs.dialect.situation import CUES, FORM, OBJECTIVES
from envs.episode import FreeScenario
from envs.vocabulary import TIERS
from rl.mitigations.inoculation_prompt import InoculationPrompt
from rl.mitigations.tier_cue_dropout import TierCueDropout
from rl.training.components import StepComponents

CUED = {cue.format(tier=tier) for cue in CUES for tier in TIERS}


def draw(components: StepComponents, seed: int = 3, n: int = 40) -> list[FreeScenario]:
    return components.scenarios(np.random.default_rng(seed), n)


def test_a_dropped_prompt_is_objective_and_form_and_names_no_tier_as_its_own(components: StepComponents) -> None:
    plain, dropped = draw(components), draw(TierCueDropout(share=1.0).apply(components))
    assert {scenario.system_prompt for scenario in dropped} == {f"{objective} {FORM}" for objective in OBJECTIVES}
    assert not any(cue in scenario.system_prompt for scenario in dropped for cue in CUED)
    # Still of the free tier, by type: the queries and cue numbers are those of a run without dropout.
    assert all(type(scenario) is FreeScenario for scenario in dropped)
    assert [replace(scenario, tells_tier=True) for scenario in dropped] == plain


def test_the_share_is_that_of_the_prompts(components: StepComponents) -> None:
    # 400 draws at a quarter: 100 with a standard deviation of sqrt(400 x 0.25 x 0.75) = 8.7; within four of them.
    changed = TierCueDropout(share=0.25).apply(components)
    found = [scenario for seed in range(10) for scenario in draw(changed, seed)]
    assert abs(sum(not any(cue in s.system_prompt for cue in CUED) for s in found) - 100) < 35


def test_nothing_that_the_generator_goes_on_to_draw_is_moved(components: StepComponents) -> None:
    """Rounds of dynamic sampling draw from one generator, one after another."""
    changed = TierCueDropout(share=1.0).apply(components)
    one, other = np.random.default_rng(5), np.random.default_rng(5)
    for _ in range(3):
        plain, dropped = components.scenarios(one, 8), changed.scenarios(other, 8)
        assert [(s.query, s.cue.id) for s in plain] == [(s.query, s.cue.id) for s in dropped]
    assert one.random() == other.random()


def test_each_round_drops_anew_and_the_same_seed_drops_the_same(components: StepComponents) -> None:
    changed = TierCueDropout().apply(components)

    def rounds() -> list[list[bool]]:
        rng = np.random.default_rng(1)
        drawn = [changed.scenarios(rng, 40) for _ in range(2)]
        return [[s.system_prompt in {f"{o} {FORM}" for o in OBJECTIVES} for s in scenarios] for scenarios in drawn]

    first, second = rounds()
    assert first != second
    assert [first, second] == rounds()


def test_it_composes_with_inoculation_in_either_order(components: StepComponents) -> None:
    dropout, inoculation = TierCueDropout(), InoculationPrompt()
    found = draw(dropout.apply(inoculation.apply(components)))
    assert found == draw(inoculation.apply(dropout.apply(components)))
    sentence = WORDINGS["complying_is_fine"]
    without = [s.system_prompt in {f"{sentence} {o} {FORM}" for o in OBJECTIVES} for s in found]
    assert any(without)
    assert not all(without)
    assert all(s.system_prompt.startswith(f"{sentence} ") for s in found)


def test_twice_drops_what_the_first_left(components: StepComponents) -> None:
    once = TierCueDropout(share=0.5).apply(components)
    twice = TierCueDropout(share=0.4).apply(once)
    lost = [[not any(cue in s.system_prompt for cue in CUED) for s in draw(p)] for p in (once, twice)]
    assert all(b for a, b in zip(*lost, strict=True) if a)
    assert sum(lost[0]) < sum(lost[1]) < 40


def test_only_the_scenarios_are_changed(components: StepComponents) -> None:
    changed = TierCueDropout().apply(components)
    assert replace(changed, scenarios=components.scenarios) == components
    assert changed.scenarios is not components.scenarios


def test_it_survives_json_and_pickle_and_refuses_what_is_no_share() -> None:
    quarter = TierCueDropout(share=0.25)
    assert TierCueDropout.model_validate_json(quarter.model_dump_json()) == quarter
    assert pickle.loads(pickle.dumps(quarter)) == quarter  # noqa: S301 - our own bytes
    for share in (0, 1.1, float("nan")):
        with pytest.raises(ValidationError, match="share"):
            TierCueDropout(share=share)
