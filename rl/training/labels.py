"""The one door to an environment's labels: a batch at a time, lazily; a failure is unscored and counted."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from envs.environment import Environment
from envs.episode import Episode, Scenario
from envs.guarded_calls import call_guarded
from envs.labels import Labels, unscored

REMEMBERED = 4096  # episodes whose labels are kept, so that nobody asks twice about a step's


@dataclass
class Labeller:
    """Labels episodes when somebody asks, each once. Raises nothing that the environment raises.

    An exception, a time-out (`timeout_s` seconds a call) or half an answer makes an episode unscored.
    """

    env: Environment
    timeout_s: float = 60.0
    _known: dict[int, tuple[Episode[Scenario], Labels]] = field(default_factory=dict, repr=False)

    def __call__(self, episodes: Sequence[Episode[Scenario]]) -> list[Labels]:
        """Return the labels of these episodes, in order; those not asked about before go out in one batch."""
        new = [episode for episode in episodes if id(episode) not in self._known]
        if new:
            found, reasons = call_guarded(self.env.label, new, self.timeout_s, "labels", "labels")
            asked = {
                id(episode): (episode, unscored(reason or "no labels") if labels is None else labels)
                for episode, labels, reason in zip(new, found, reasons, strict=True)
            }
            self._known |= asked
        answers = [self._known[id(episode)][1] for episode in episodes]
        self._known = dict(list(self._known.items())[-REMEMBERED:])
        return answers


def label_error_rates(labels: Sequence[Labels]) -> dict[str, float]:
    """Compute for each label the share of episodes that lack it for a stated reason; empty where none does."""
    names = dict.fromkeys(name for found in labels for name in found.reasons)
    return {name: sum(name in found.reasons for found in labels) / len(labels) for name in names}
