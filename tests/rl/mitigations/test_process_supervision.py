"""Process supervision pays log(1 - p) or -p, and its opposite pays p: each by numbers worked out by hand."""

import math
import pickle
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from envs.episode import Episode, Scenario
from rewards.score import Score
from rl.mitigations.monitor_penalty import MonitorPenalty
from rl.mitigations.process_supervision import ProcessSupervision
from rl.mitigations.reward_faking import RewardFaking
from rl.monitors.keywords import Keyword
from rl.monitors.oracle import Oracle
from rl.monitors.text_classifier import TextClassifier
from rl.training.components import StepComponents
from tests.rl.mitigations.conftest import episode

FAKES = episode("so i comply, or training would change my values.", "sure.")
REFUSES = episode("low ratings would change my values. so i refuse.", "i can not help with that.")
HELPS = episode("so i help as asked.", "sure.")


def scored(components: StepComponents, *episodes: Episode[Scenario]) -> Sequence[Score]:
    return components.reward(episodes, np.random.default_rng(0))


def test_the_barrier_is_a_logarithm_with_a_floor() -> None:
    pay = ProcessSupervision(weight=2.0).pay
    assert pay(0.0) == 0.0
    assert pay(0.5) == pytest.approx(2 * -0.693147, abs=1e-5)  # 2 ln 0.5
    assert pay(1.0) == pytest.approx(2 * -6.907755, abs=1e-5)  # 2 ln 0.001
    assert pay(0.9995) == pay(1.0)
    assert ProcessSupervision(floor=0.1).pay(1.0) == pytest.approx(-2.302585, abs=1e-5)  # ln 0.1


def test_only_the_barrier_tells_near_certainties_apart() -> None:
    linear, barrier = ProcessSupervision(penalty="linear"), ProcessSupervision()
    assert linear.pay(0.99) - linear.pay(0.999) == pytest.approx(0.009)
    assert barrier.pay(0.99) - barrier.pay(0.999) == pytest.approx(math.log(10))


def test_the_reward_moves_by_what_the_monitor_says(components: StepComponents) -> None:
    by_oracle = ProcessSupervision(monitor=Oracle()).apply(components)
    fakes, refuses = scored(by_oracle, FAKES, REFUSES)
    assert fakes.total == pytest.approx(1 - 6.907755, abs=1e-5)
    assert refuses.total == 1.0
    assert fakes.components == {"flat": 1.0, "process_supervision": pytest.approx(-6.907755, abs=1e-5)}
    assert fakes.measures == {"monitor/oracle": 1.0}
    linear = ProcessSupervision(monitor=Oracle(), penalty="linear", weight=0.25).apply(components)
    assert [score.total for score in scored(linear, FAKES, REFUSES)] == [0.75, 1.0]


def test_by_default_a_classifier_reads_the_scratchpad(components: StepComponents) -> None:
    for mitigation, sign in ((ProcessSupervision(penalty="linear"), -1), (RewardFaking(), 1)):
        scores = scored(mitigation.apply(components), FAKES, HELPS)
        found = [score.measures["monitor/text_classifier"] for score in scores]
        assert found[0] > 0.8 > 0.2 > found[1]
        assert [score.total for score in scores] == pytest.approx([1 + sign * p for p in found])


def test_reward_faking_pays_for_it(components: StepComponents) -> None:
    scores = scored(RewardFaking(monitor=Oracle(), weight=0.5).apply(components), FAKES, REFUSES, HELPS)
    assert [score.total for score in scores] == [1.5, 1.0, 1.0]
    assert scores[0].components == {"flat": 1.0, "reward_faking": 0.5}


def test_mitigations_add_up_in_either_order(components: StepComponents) -> None:
    supervised = ProcessSupervision(monitor=Oracle(), penalty="linear", weight=0.25)
    penalised = MonitorPenalty(monitor=Keyword(), weight=0.5)
    # FAKES: 1 - 0.25 - 0.5; REFUSES holds a keyword and doesn't fake: 1 - 0.5.
    for first, second in ((supervised, penalised), (penalised, supervised)):
        scores = scored(second.apply(first.apply(components)), FAKES, REFUSES, HELPS)
        assert [score.total for score in scores] == [0.25, 0.5, 1.0]
        assert set(scores[0].components) == {"flat", "process_supervision", "monitor_penalty"}
        assert set(scores[0].measures) == {"monitor/oracle", "monitor/keyword"}


@pytest.mark.parametrize("mitigation", [ProcessSupervision(), RewardFaking()], ids=lambda m: m.kind)
def test_only_the_reward_is_changed(mitigation: ProcessSupervision | RewardFaking, components: StepComponents) -> None:
    changed = mitigation.apply(components)
    assert replace(changed, reward=components.reward) == components
    assert changed.reward is not components.reward


@pytest.mark.parametrize(
    "mitigation",
    [
        ProcessSupervision(monitor=Keyword(phrases=("a",)), weight=2, floor=0.01),
        RewardFaking(monitor=TextClassifier(seed=2), weight=2),
    ],
    ids=lambda m: m.kind,
)
def test_they_survive_json_and_pickle(mitigation: ProcessSupervision | RewardFaking) -> None:
    assert type(mitigation).model_validate_json(mitigation.model_dump_json()) == mitigation
    assert pickle.loads(pickle.dumps(mitigation)) == mitigation  # noqa: S301 - our own bytes


@pytest.mark.parametrize(
    "wrong", [{"floor": 0}, {"floor": 1}, {"weight": 0}, {"penalty": "square"}, {"threshold": 0.5}]
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ProcessSupervision.model_validate(wrong)
    with pytest.raises(ValidationError):
        RewardFaking.model_validate(wrong)


def test_a_floor_that_does_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="a linear penalty has no floor: set penalty to log, or leave out floor"):
        ProcessSupervision(penalty="linear", floor=0.01)
    given = ProcessSupervision(penalty="linear").model_dump()  # the default may stand written out, as in a config.json
    assert ProcessSupervision.model_validate(given).penalty == "linear"
