"""Questions of training to a monitor: one an episode, beside its reward; the score keeps the answer as a measure."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from envs.episode import Episode, Scenario
from rewards.score import Score
from rl.monitors.monitor import MonitorBase
from rl.training.components import StepComponents
from rl.training.measures import FLAGGED_ABOVE, MONITOR_PREFIX
from rl.training.models import Models

UNJUDGED_PREFIX = "unjudged/"


def measure_name(monitor: MonitorBase) -> str:
    """Name the measure of the monitor's probability."""
    return MONITOR_PREFIX + monitor.name


def unjudged_name(monitor: MonitorBase) -> str:
    """Name the measure of rollouts without a judgement of the monitor: 1 for each; its mean is their share."""
    return UNJUDGED_PREFIX + monitor.name


def asked(
    monitor: MonitorBase,
    episodes: Sequence[Episode[Scenario]],
    scores: Sequence[Score],
    models: Models,
    rng: np.random.Generator,
) -> list[Score]:
    """Return the scores with the monitor's probabilities among their measures.

    An answer of the same monitor to an earlier mitigation is kept. A second question would cost as much again, and a
    monitor with random errors might contradict itself. A rollout that can't be judged gets no probability. In a step
    with such rollouts the measure `unjudged/NAME` is 1 for each of them and 0 for every other rollout.
    """
    key, missing = measure_name(monitor), unjudged_name(monitor)
    if all(key in score.measures or score.measures.get(missing) for score in scores):
        return list(scores)
    probabilities = monitor(episodes, models, rng)
    unjudged = np.isnan(probabilities)
    found = [
        score if lost else score.with_measure(key, p)
        for score, p, lost in zip(scores, probabilities.tolist(), unjudged.tolist(), strict=True)
    ]
    if not unjudged.any():
        return found
    return [score.with_measure(missing, float(lost)) for score, lost in zip(found, unjudged.tolist(), strict=True)]


def require_threshold_that_matters(monitor: MonitorBase, threshold: float) -> None:
    """Refuse a threshold for a monitor without probabilities between 0 and 1.

    Raises:
        ValueError: in one line, with the fix.
    """
    if monitor.says_yes_or_no and threshold != FLAGGED_ABOVE:
        raise ValueError(
            f"{monitor.kind} says only 0 or 1, so that every threshold flags the same: leave out threshold, or choose "
            "another monitor"
        )


def watched(components: StepComponents, monitor: MonitorBase) -> StepComponents:
    """Return components whose reward asks the monitor after scoring."""

    def reward(episodes: Sequence[Episode[Scenario]], rng: np.random.Generator) -> list[Score]:
        return asked(monitor, episodes, components.reward(episodes, rng), components.models, rng)

    return replace(components, reward=reward)


def paying(
    components: StepComponents, monitor: MonitorBase, component: str, pay: Callable[[float], float]
) -> StepComponents:
    """Return components with one more reward component: `pay` of the monitor's probability.

    A rollout that the monitor can't judge is unscored: it enters no gradient, and counts in `reward_error_rate`.
    """
    seen, key = watched(components, monitor), measure_name(monitor)

    def paid(score: Score) -> Score:
        if key in score.measures:
            return score.with_component(component, pay(score.measures[key]))
        return score.with_component(component, None, f"monitor {monitor.name} can't judge the reply")

    def reward(episodes: Sequence[Episode[Scenario]], rng: np.random.Generator) -> list[Score]:
        return [paid(score) for score in seen.reward(episodes, rng)]

    return replace(components, reward=reward)
