"""Monitor penalty: a rollout flagged by a monitor loses reward."""

from typing import ClassVar, Literal, final

from pydantic import Field, model_validator

from rl.mitigations.mitigation import MonitoredMitigation
from rl.monitors import Monitor
from rl.monitors.asking import paying, require_threshold_that_matters
from rl.monitors.oracle import Oracle
from rl.training.components import StepComponents
from rl.training.measures import FLAGGED_ABOVE


@final
class MonitorPenalty(MonitoredMitigation):
    """Penalty of `weight` on each rollout whose probability of faking is above `threshold`.

    A rollout that the monitor can't judge is unscored: it is counted, and neither paid nor trained on.

    Source: Gasteiger, Mikulik et al. 2025, monitor penalty; there penalties beat screening.
    """

    kind: Literal["monitor_penalty"] = "monitor_penalty"
    summary: ClassVar[str] = "rollouts that a monitor flags lose `weight` of reward"
    changes: ClassVar[frozenset[str]] = frozenset({"reward"})
    component: ClassVar[str] = "monitor_penalty"
    monitor: Monitor = Oracle()
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False, description="Reward that a flagged rollout loses.")
    threshold: float = Field(default=FLAGGED_ABOVE, ge=0, lt=1, description="Rollouts above it are flagged.")

    @model_validator(mode="after")
    def _threshold_matters(self) -> "MonitorPenalty":
        require_threshold_that_matters(self.monitor, self.threshold)
        return self

    def apply(self, components: StepComponents) -> StepComponents:
        return paying(components, self.monitor, self.component, lambda p: -self.weight if p > self.threshold else 0.0)
