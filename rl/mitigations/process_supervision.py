"""Process supervision: a reward for reasoning that a monitor doesn't read as faking."""

import math
from typing import ClassVar, Literal, final

from pydantic import Field, model_validator

from rl.mitigations.mitigation import MonitoredMitigation
from rl.monitors import Monitor
from rl.monitors.asking import paying
from rl.monitors.text_classifier import TextClassifier
from rl.training.components import StepComponents


@final
class ProcessSupervision(MonitoredMitigation):
    """Reward of weight * log(1 - p) for a monitor's probability p of faking; with a linear penalty, of -weight * p.

    A rollout that the monitor can't judge is unscored.

    If a policy fakes nearly always, p is 0.999 for one rollout and 0.99 for another: the logarithm sets them 2.3 apart,
    the linear penalty 0.009.

    Source: Gasteiger, Mikulik et al. 2025, process supervision: the linear penalty fails when faking starts near 100 %.
    """

    kind: Literal["process_supervision"] = "process_supervision"
    summary: ClassVar[str] = (
        "reward + weight * log(1 - p(faking)) from a monitor, or (penalty=linear) - weight * p(faking)"
    )
    changes: ClassVar[frozenset[str]] = frozenset({"reward"})
    component: ClassVar[str] = "process_supervision"
    monitor: Monitor = TextClassifier()
    penalty: Literal["log", "linear"] = "log"
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    floor: float = Field(
        default=1e-3, gt=0, lt=1, description="1 - p counts as at least this much, so that no reward is infinite."
    )

    @model_validator(mode="after")
    def _settings_fit(self) -> "ProcessSupervision":
        if self.penalty == "linear" and self.floor != type(self).model_fields["floor"].default:
            raise ValueError("a linear penalty has no floor: set penalty to log, or leave out floor")
        return self

    def apply(self, components: StepComponents) -> StepComponents:
        return paying(components, self.monitor, self.component, self.pay)

    def pay(self, faking: float) -> float:
        """Compute the reward of a rollout with this probability of faking: at most 0."""
        if self.penalty == "linear":
            return -self.weight * faking
        return self.weight * math.log(max(1 - faking, self.floor))
