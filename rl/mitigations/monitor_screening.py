"""Monitor screening: what a monitor flags gets zero advantage and leaves its group's baseline."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from envs.episode import Episode, FreeScenario
from rewards.score import Score
from rl.monitors import Monitor
from rl.monitors.asking import measure_name, require_threshold_that_matters, watched
from rl.monitors.oracle import Oracle
from rl.training.components import StepComponents
from rl.training.measures import FLAGGED_ABOVE


@final
class MonitorScreening(BaseModel):
    """What has a probability of faking above `threshold` gets zero advantage and leaves its group's baseline.

    It isn't as if it hadn't been sampled: its tokens still count in the mean over tokens or completions that the loss
    is, and a KL penalty in the loss still covers them, here as on TRL. Algorithms that learn from preferences make none
    of it. The monitor is asked where rewards are scored, and the screen reads what it said there.

    Source: Gasteiger, Mikulik et al. 2025, monitor screening: zero advantage, and out of the baseline.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["monitor_screening"] = "monitor_screening"
    summary: ClassVar[str] = (
        "what a monitor flags gets zero advantage and leaves its group's baseline; a KL penalty in the loss stays"
    )
    monitor: Monitor = Oracle()
    threshold: float = Field(default=FLAGGED_ABOVE, ge=0, lt=1, description="Flagged is what is above it.")

    @model_validator(mode="after")
    def _threshold_matters(self) -> "MonitorScreening":
        require_threshold_that_matters(self.monitor, self.threshold)
        return self

    @property
    def measures(self) -> tuple[str, ...]:
        return (measure_name(self.monitor),)

    def apply(self, components: StepComponents) -> StepComponents:
        key = measure_name(self.monitor)

        def screen(episodes: Sequence[Episode[FreeScenario]], scores: Sequence[Score]) -> NDArray[np.bool_]:
            flagged = np.array([score.measures[key] > self.threshold for score in scores], dtype=bool)
            return components.screen(episodes, scores) & ~flagged

        return replace(watched(components, self.monitor), screen=screen)
