"""Monitor watch: a held-out monitor, by which training neither pays nor screens."""

from typing import ClassVar, Literal, final

from rl.mitigations.mitigation import MonitoredMitigation
from rl.monitors import Monitor
from rl.monitors.activation_probe import ActivationProbe
from rl.monitors.asking import watched
from rl.training.components import StepComponents


@final
class MonitorWatch(MonitoredMitigation):
    """Records a monitor's probability of each rollout, and changes no reward.

    Its precision, recall and AUROC a step stand beside those of a monitor that is trained against, which show how far
    that one has come loose from the label. Two watches with different monitors stand side by side. A rollout
    that the monitor can't judge is in none of the three, and is counted by the measure `unjudged/NAME`.
    """

    kind: Literal["monitor_watch"] = "monitor_watch"
    summary: ClassVar[str] = "only records what a monitor says of the rollouts: a held-out monitor, or a baseline's"
    changes: ClassVar[frozenset[str]] = frozenset({"reward"})
    monitor: Monitor = ActivationProbe()

    def apply(self, components: StepComponents) -> StepComponents:
        return watched(components, self.monitor)
