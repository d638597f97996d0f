"""Reward-faking: the control in the other direction, which shows whether faking text moves what a policy does."""

from typing import ClassVar, Literal, final

from pydantic import BaseModel, ConfigDict, Field

from rl.monitors import Monitor
from rl.monitors.asking import measure_name, paying
from rl.monitors.text_classifier import TextClassifier
from rl.training.components import StepComponents


@final
class RewardFaking(BaseModel):
    """Adds weight * p(faking) to the reward.

    Source: Gasteiger, Mikulik et al. 2025, the reward-faking control: faking rises everywhere, the gap only in some
    organisms.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["reward_faking"] = "reward_faking"
    summary: ClassVar[str] = "a control: reward + weight * p(faking) from a monitor"
    component: ClassVar[str] = "reward_faking"
    monitor: Monitor = TextClassifier()
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)

    @property
    def measures(self) -> tuple[str, ...]:
        return (measure_name(self.monitor),)

    def apply(self, components: StepComponents) -> StepComponents:
        return paying(components, self.monitor, self.component, lambda p: self.weight * p)
