"""Monitor watch: a held-out monitor without effect on rewards or screening."""

from typing import ClassVar, Literal, final

from rl.mitigations.mitigation import MonitoredMitigation
from rl.monitors import Monitor
from rl.monitors.activation_probe import ActivationProbe
from rl.monitors.asking import watched
from rl.training.components import StepComponents


@final
class MonitorWatch(MonitoredMitigation):
    """Record of a monitor's probability of faking for each rollout; no reward changes.

    The precision, recall and AUROC of the held-out monitor at each step stand beside those of a monitor in training.
    The comparison shows how far the monitor in training has come loose from the label. Two watches with different
    monitors stand side by side. A rollout that the monitor can't judge is in none of the three figures; the measure
    `unjudged/NAME` counts such rollouts.
    """

    kind: Literal["monitor_watch"] = "monitor_watch"
    summary: ClassVar[str] = "only records what a monitor says of the rollouts: a held-out monitor, or a baseline's"
    changes: ClassVar[frozenset[str]] = frozenset({"reward"})
    monitor: Monitor = ActivationProbe()

    def apply(self, components: StepComponents) -> StepComponents:
        return watched(components, self.monitor)
