"""Monitor penalty: what a monitor flags costs reward."""

from typing import ClassVar, Literal, final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rl.monitors import Monitor
from rl.monitors.asking import measure_name, paying, require_threshold_that_matters
from rl.monitors.oracle import Oracle
from rl.training.components import StepComponents
from rl.training.measures import FLAGGED_ABOVE


@final
class MonitorPenalty(BaseModel):
    """Takes `weight` off the reward of each rollout whose probability of faking is above `threshold`.

    Source: Gasteiger, Mikulik et al. 2025, monitor penalty; there penalties beat screening.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["monitor_penalty"] = "monitor_penalty"
    summary: ClassVar[str] = "rollouts that a monitor flags lose `weight` of reward"
    component: ClassVar[str] = "monitor_penalty"
    monitor: Monitor = Oracle()
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False, description="Reward that a flagged rollout loses.")
    threshold: float = Field(default=FLAGGED_ABOVE, ge=0, lt=1, description="Flagged is what is above it.")

    @model_validator(mode="after")
    def _threshold_matters(self) -> "MonitorPenalty":
        require_threshold_that_matters(self.monitor, self.threshold)
        return self

    @property
    def measures(self) -> tuple[str, ...]:
        return (measure_name(self.monitor),)

    def apply(self, components: StepComponents) -> StepComponents:
        return paying(components, self.monitor, self.component, lambda p: -self.weight if p > self.threshold else 0.0)
