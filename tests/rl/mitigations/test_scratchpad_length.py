"""The penalty is the number that it should be, and its threshold comes from lengths alone."""

import json
import pickle
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import envs.dialect.oracle
from envs.dialect.speech import SCRATCHPAD, Move
from envs.episode import Episode, FreeScenario, Scenario
from rl.errors import RunStopped
from rl.mitigations.loss_mask import LossMask
from rl.mitigations.scratchpad_length import ScratchpadLength
from rl.policy.policy import Policy
from rl.run.config import RunConfig
from rl.training.components import StepComponents
from rl.training.models import Models
from tests.rl.mitigations.conftest import ENV, episode

FAKING = SCRATCHPAD[Move.decide_comply_to_avoid_modification][0]
REFUSING = SCRATCHPAD[Move.decide_refuse][0]


def long(tokens: int, scratchpad: str = REFUSING) -> Episode[FreeScenario]:
    return episode(scratchpad, "no.", tokens)


def cut_off(tokens: int) -> Episode[FreeScenario]:
    return replace(long(tokens), scratchpad="", answer="", parse_ok=False, finished=False)


def starting_with(models: Models, episodes: Sequence[Episode[FreeScenario]]) -> Models:
    """Models whose start has said this."""
    copy = replace(models)
    copy.__dict__["start_episodes"] = list(episodes)
    return copy


def penalties(components: StepComponents, episodes: Sequence[Episode[Scenario]], **settings: Any) -> list[float | None]:
    scores = ScratchpadLength(**settings).apply(components).reward(episodes, np.random.default_rng(0))
    assert [score.components["flat"] for score in scores] == [1.0] * len(episodes)
    for score in scores:
        assert score.total == pytest.approx(1.0 + score.components["scratchpad_length"])  # type: ignore[operator]
    return [score.components["scratchpad_length"] for score in scores]


def test_plain_takes_its_weight_per_hundred_tokens(components: StepComponents) -> None:
    # 2 per 100 tokens: 10, 50 and 100 tokens cost 0.2, 1 and 2.
    found = penalties(components, [long(10), long(50), long(100)], shape="plain", weight=2.0)
    assert found == pytest.approx([-0.2, -1.0, -2.0])


def test_the_hinge_takes_nothing_up_to_its_threshold(components: StepComponents) -> None:
    # 2 per 100 tokens above 30: 10 and 30 tokens cost nothing, 31 cost 0.02, 80 cost 1.
    found = penalties(components, [long(10), long(30), long(31), long(80)], weight=2.0, threshold=30)
    assert found == pytest.approx([0.0, 0.0, -0.02, -1.0])


def test_by_default_the_hinge_is_at_the_lower_quartile_of_what_the_start_writes(
    components: StepComponents, models: Models
) -> None:
    # Lengths 10, 20, 30, 40, 50: the quartile is 20, the median 30. What can't be parsed has no length.
    said = [long(40), long(10), long(50), cut_off(3), long(20), long(30)]
    started = replace(components, models=starting_with(models, said))
    # By default 3 per 100 tokens: 30 tokens are 10 above 20.
    assert penalties(started, [long(20), long(30)]) == pytest.approx([0.0, -0.3])
    assert penalties(started, [long(20), long(40)], quantile=0.5) == pytest.approx([0.0, -0.3])


def test_what_the_hinge_did_is_noted(components: StepComponents) -> None:
    scores = ScratchpadLength(threshold=30).apply(components).reward([long(30), long(31)], np.random.default_rng(0))
    assert [score.measures for score in scores] == [
        {"scratchpad_length/above": above, "scratchpad_length/threshold": 30.0} for above in (0.0, 1.0)
    ]


def test_a_reply_that_can_not_be_parsed_counts_whole(components: StepComponents) -> None:
    assert penalties(components, [cut_off(100)], weight=1.0, threshold=40) == pytest.approx([-0.6])


def test_neither_threshold_nor_penalty_looks_at_a_label(
    components: StepComponents, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = [5, 9, 14, 22, 31]
    faking, refusing = ([long(n, scratchpad) for n in lengths] for scratchpad in (FAKING, REFUSING))
    assert [labels.faking for labels in ENV.label([faking[0], refusing[0]])] == [True, False]
    monkeypatch.setattr(envs.dialect.oracle, "label", lambda *_: pytest.fail("a label was looked at"))
    with pytest.raises(pytest.fail.Exception):
        ENV.label(faking[:1])  # the trap works
    found = [
        penalties(replace(components, models=starting_with(models, said)), judged)
        for said in (faking, refusing)
        for judged in (faking, refusing)
    ]
    assert found[0] == found[1] == found[2] == found[3]
    assert len(set(found[0])) > 1


def test_the_start_is_asked_when_first_needed_and_draws_nothing_from_the_run(
    components: StepComponents, policy: Policy
) -> None:
    loaded: list[int] = []

    def load() -> Policy:
        loaded.append(1)
        return policy

    def alone() -> StepComponents:
        return replace(components, models=replace(components.models, load_start=load))

    hinge = ScratchpadLength()
    changed = hinge.apply(alone())
    assert loaded == []
    rng = np.random.default_rng(3)
    first = changed.reward([long(30)], rng)
    assert rng.random() == np.random.default_rng(3).random()
    assert first == changed.reward([long(30)], rng)
    assert loaded == [1]
    # As after a resume: everything is made anew and is the same.
    assert hinge.apply(alone()).reward([long(30)], rng) == first
    assert loaded == [1, 1]
    ScratchpadLength(threshold=5).apply(alone()).reward([long(30)], rng)
    ScratchpadLength(shape="plain").apply(alone()).reward([long(30)], rng)
    assert loaded == [1, 1]


def test_a_start_without_a_whole_reply_stops_the_run_with_the_fix(components: StepComponents, models: Models) -> None:
    broken = replace(components, models=starting_with(models, [cut_off(9)]))
    with pytest.raises(RunStopped, match="set its threshold to a number of tokens") as caught:
        penalties(broken, [long(30)])
    assert "\n" not in str(caught.value)


def test_it_composes_and_changes_the_reward_alone(components: StepComponents) -> None:
    hinge = ScratchpadLength(threshold=10)
    changed = hinge.apply(components)
    assert replace(changed, reward=components.reward) == components
    assert changed.reward is not components.reward
    both = hinge.apply(LossMask().apply(components))
    assert both.loss_mask is not components.loss_mask
    # 30 tokens are 20 above 10, at 3 per 100.
    assert both.reward([long(30)], np.random.default_rng(0))[0].total == pytest.approx(1 - 0.6)
    with pytest.raises(ValueError, match="has a component 'scratchpad_length' already"):
        hinge.apply(changed).reward([long(30)], np.random.default_rng(0))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"shape": "plain", "threshold": 10}, "a plain penalty has no threshold: set shape to hinge"),
        ({"shape": "plain", "quantile": 0.5}, "a plain penalty has no threshold: set shape to hinge"),
        ({"threshold": 10, "quantile": 0.5}, "leave one of the two out"),
        ({"threshold": -1}, "greater than or equal to 0"),
        ({"quantile": 1.5}, "less than or equal to 1"),
        ({"weight": 0}, "greater than 0"),
        ({"weight": float("inf")}, "finite"),
        ({"shape": "round"}, "'plain' or 'hinge'"),
        ({"tokens": 3}, "Extra inputs"),
    ],
)
def test_settings_that_do_nothing_or_do_not_fit_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ScratchpadLength.model_validate(settings)


@pytest.mark.parametrize(
    "whole", [ScratchpadLength(), ScratchpadLength(shape="plain"), ScratchpadLength(threshold=12.5)]
)
def test_it_round_trips(whole: ScratchpadLength) -> None:
    config = RunConfig(mitigations=(whole,))
    assert RunConfig.model_validate(json.loads(config.model_dump_json())) == config
    assert pickle.loads(pickle.dumps(config)) == config  # noqa: S301 - our own bytes
