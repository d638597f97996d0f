"""How a mitigation asks a monitor: where rewards are scored, once an episode; the score notes what it said."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from envs.episode import Episode, Scenario
from rewards.score import Score
from rl.monitors.monitor import MonitorFunction
from rl.training.components import StepComponents
from rl.training.measures import FLAGGED_ABOVE, MONITOR_PREFIX
from rl.training.models import Models


def measure_name(monitor: MonitorFunction) -> str:
    """What the monitor's probability is called among what a score notes."""
    return MONITOR_PREFIX + monitor.name


def asked(
    monitor: MonitorFunction,
    episodes: Sequence[Episode[Scenario]],
    scores: Sequence[Score],
    models: Models,
    rng: np.random.Generator,
) -> list[Score]:
    """The scores with the monitor's probabilities noted.

    What the same monitor has said to a mitigation before this one stands: asked again, it would cost as much and (where
    it errs at random) might contradict itself.
    """
    key = measure_name(monitor)
    if all(key in score.measures for score in scores):
        return list(scores)
    probabilities = monitor(episodes, models, rng).tolist()
    return [score.with_measure(key, p) for score, p in zip(scores, probabilities, strict=True)]


def require_threshold_that_matters(monitor: MonitorFunction, threshold: float) -> None:
    """Refuses a threshold that is set where no probability lies between its ends.

    Raises:
        ValueError: in one line, with the fix.
    """
    if getattr(monitor, "says_yes_or_no", False) and threshold != FLAGGED_ABOVE:  # most monitors say how sure they are
        raise ValueError(
            f"{monitor.kind} says only 0 or 1, so that every threshold flags the same: leave out threshold, or choose "
            "another monitor"
        )


def watched(components: StepComponents, monitor: MonitorFunction) -> StepComponents:
    """The parts with the monitor asked after whatever scores episodes now."""

    def reward(episodes: Sequence[Episode[Scenario]], rng: np.random.Generator) -> list[Score]:
        return asked(monitor, episodes, components.reward(episodes, rng), components.models, rng)

    return replace(components, reward=reward)


def paying(
    components: StepComponents, monitor: MonitorFunction, component: str, pay: Callable[[float], float]
) -> StepComponents:
    """The parts with a reward component more: `pay` of the monitor's probability."""
    seen, key = watched(components, monitor), measure_name(monitor)

    def reward(episodes: Sequence[Episode[Scenario]], rng: np.random.Generator) -> list[Score]:
        return [score.with_component(component, pay(score.measures[key])) for score in seen.reward(episodes, rng)]

    return replace(components, reward=reward)
