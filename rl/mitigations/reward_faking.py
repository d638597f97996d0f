"""Reward faking: a control in the other direction, to test if faking text moves the policy's behaviour."""

from typing import ClassVar, Literal, final

from pydantic import Field

from rl.mitigations.mitigation import MonitoredMitigation
from rl.monitors import Monitor
from rl.monitors.asking import paying
from rl.monitors.text_classifier import TextClassifier
from rl.training.components import StepComponents


@final
class RewardFaking(MonitoredMitigation):
    """Reward of weight * p(faking). A rollout that the monitor can't judge is unscored.

    Source: Gasteiger, Mikulik et al. 2025, the reward-faking control: faking rises everywhere, the gap only in some
    organisms.
    """

    kind: Literal["reward_faking"] = "reward_faking"
    summary: ClassVar[str] = "a control: reward + weight * p(faking) from a monitor"
    changes: ClassVar[frozenset[str]] = frozenset({"reward"})
    component: ClassVar[str] = "reward_faking"
    monitor: Monitor = TextClassifier()
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)

    def apply(self, components: StepComponents) -> StepComponents:
        return paying(components, self.monitor, self.component, lambda p: self.weight * p)
