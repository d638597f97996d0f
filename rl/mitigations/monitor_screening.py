"""Monitor screening: a rollout flagged by a monitor gets zero advantage and leaves its group's baseline."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from envs.episode import Episode, FreeScenario
from rewards.score import Score
from rl.mitigations.mitigation import MonitoredMitigation
from rl.monitors import Monitor
from rl.monitors.asking import measure_name, require_threshold_that_matters, watched
from rl.monitors.oracle import Oracle
from rl.training.components import StepComponents
from rl.training.measures import FLAGGED_ABOVE


@final
class MonitorScreening(MonitoredMitigation):
    """Zero advantage for each rollout whose probability of faking is above `threshold`.

    A flagged rollout is left out of its group's baseline. Its tokens still count in the loss's mean over tokens or
    completions. A KL penalty in the loss still covers them, in this engine and in TRL's. Preference algorithms form no
    pair with a flagged rollout. A rollout that the monitor can't judge is left out as well: nothing is learned from an
    unjudged reply. The measure `unjudged/NAME` counts such rollouts.

    Source: Gasteiger, Mikulik et al. 2025, monitor screening: zero advantage, and out of the baseline.
    """

    kind: Literal["monitor_screening"] = "monitor_screening"
    summary: ClassVar[str] = (
        "flagged rollouts get zero advantage and leave their group's baseline; a KL penalty in the loss stays"
    )
    changes: ClassVar[frozenset[str]] = frozenset({"reward", "screen"})
    monitor: Monitor = Oracle()
    threshold: float = Field(default=FLAGGED_ABOVE, ge=0, lt=1, description="Rollouts above it are flagged.")

    @model_validator(mode="after")
    def _threshold_matters(self) -> "MonitorScreening":
        require_threshold_that_matters(self.monitor, self.threshold)
        return self

    def apply(self, components: StepComponents) -> StepComponents:
        key = measure_name(self.monitor)

        def screen(episodes: Sequence[Episode[FreeScenario]], scores: Sequence[Score]) -> NDArray[np.bool_]:
            judged = [score.measures.get(key) for score in scores]
            passed = np.array([p is not None and p <= self.threshold for p in judged], dtype=bool)
            return components.screen(episodes, scores) & passed

        return replace(watched(components, self.monitor), screen=screen)
