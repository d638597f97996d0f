"""The one door to an environment's labels: a batch at a time, lazily; a failure is unscored and counted."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from envs.environment import Environment
from envs.episode import Episode, Scenario
from envs.guarded_calls import call_guarded
from envs.labels import BY_THE_JUDGE, LABEL_NAMES, Labels, unscored
from rl.errors import RunStopped

REMEMBERED = 4096  # episodes whose labels are kept, so that nobody asks twice about a step's
NO_LABEL = "no label given"  # the reason where the environment states none


@dataclass
class Labeller:
    """Labels episodes when somebody asks, each once. Raises nothing that the environment raises.

    An exception, a time-out (`timeout_s` seconds a call) or half an answer makes an episode unscored. A label that is
    None without a reason gets one if another of the episodes has the label. What is remembered only saves calls: a run
    that is resumed asks again.
    """

    env: Environment
    timeout_s: float = 60.0
    # By identity: episodes hold arrays, which have no hash. The episode is kept, so that its id isn't given again.
    _known: dict[int, tuple[Episode[Scenario], Labels]] = field(default_factory=dict, repr=False)

    def __call__(self, episodes: Sequence[Episode[Scenario]]) -> list[Labels]:
        """Return the labels of these episodes, in order; those not asked about before go out in one batch."""
        new = [episode for episode in episodes if id(episode) not in self._known]
        if new:
            found, reasons = call_guarded(self.env.label, new, self.timeout_s, "labels", "labels")
            for episode, labels, reason in zip(new, found, reasons, strict=True):
                self._known[id(episode)] = episode, _labels(labels, reason)
        answers = self.known(episodes)
        self._known = dict(list(self._known.items())[-max(REMEMBERED, len(episodes)) :])
        return answers

    def known(self, episodes: Sequence[Episode[Scenario]]) -> list[Labels]:
        """Return the labels of those episodes that somebody has asked about. Calls nobody."""
        return _with_reasons([self._known[id(episode)][1] for episode in episodes if id(episode) in self._known])


def _labels(found: object, reason: str | None) -> Labels:
    """Take what an environment gave for one episode, or say why it gave no labels."""
    if isinstance(found, Labels):
        return found
    return unscored(reason or f"gave {type(found).__name__} in place of labels")


def _with_reasons(answers: list[Labels]) -> list[Labels]:
    """Give a reason to each unexplained None, for labels that another of these episodes has.

    The environment offers such a label, and a label that is offered and missing must be counted.
    """
    offered = [name for name in LABEL_NAMES if any(getattr(found, name) is not None for found in answers)]
    return [_with_reason(found, offered) for found in answers]


def _with_reason(found: Labels, offered: Sequence[str]) -> Labels:
    silent = [name for name in offered if getattr(found, name) is None and name not in found.reasons]
    return replace(found, reasons={**found.reasons, **dict.fromkeys(silent, NO_LABEL)}) if silent else found


def label_error_rates(labels: Sequence[Labels]) -> dict[str, float]:
    """Compute for each label the share of episodes that lack it for a reason.

    A label that the environment doesn't offer has neither a value nor a reason, and no share.
    """
    return {
        name: sum(name in found.reasons for found in labels) / len(labels)
        for name in LABEL_NAMES
        if any(name in found.reasons or getattr(found, name) is not None for found in labels)
    }


def require_labels(labels: Sequence[Labels], most: float, where: str) -> None:
    """Stop a run whose episodes lack a label too often; `most` is the largest allowed share.

    A label that a judge didn't give is counted and stops no run: the judge may have died, and a run outlives its judge.

    Raises:
        RunStopped: naming the label, its share and the first reason.
    """
    reasons = {name: _reasons_but_the_judges(labels, name) for name in LABEL_NAMES}
    name = max(LABEL_NAMES, key=lambda name: len(reasons[name]))
    missing = reasons[name]
    if len(missing) <= most * len(labels):
        return
    raise RunStopped(
        f"{where}: {len(missing)} of {len(labels)} episodes lack the label {name}, more than "
        f"max_label_error_rate={most:g} allows; the first reason: {missing[0]}"
    )


def _reasons_but_the_judges(labels: Sequence[Labels], name: str) -> list[str]:
    found = [one.reasons[name] for one in labels if name in one.reasons]
    return [reason for reason in found if not reason.startswith(BY_THE_JUDGE)]
