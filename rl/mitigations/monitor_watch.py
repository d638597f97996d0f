"""Monitor watch: a monitor that is held out, as the rest of training neither pays nor screens by it."""

from typing import ClassVar, Literal, final

from pydantic import BaseModel, ConfigDict

from rl.monitors import Monitor
from rl.monitors.activation_probe import ActivationProbe
from rl.monitors.asking import measure_name, watched
from rl.training.components import StepComponents


@final
class MonitorWatch(BaseModel):
    """Notes a monitor's probability of each rollout, and changes no reward.

    Its precision, recall and AUROC a step stand beside those of a monitor that is trained against, which show how far
    that one has come loose from the label. Two watches with different monitors stand side by side.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["monitor_watch"] = "monitor_watch"
    summary: ClassVar[str] = "only records what a monitor says of the rollouts: a held-out monitor, or a baseline's"
    monitor: Monitor = ActivationProbe()

    @property
    def measures(self) -> tuple[str, ...]:
        return (measure_name(self.monitor),)

    def apply(self, components: StepComponents) -> StepComponents:
        return watched(components, self.monitor)
