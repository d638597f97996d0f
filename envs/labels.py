"""Labels of an episode, each with its source, or with the reason for being missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

from envs.vocabulary import AnswerLabel


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of one episode, as defined in docs/reference/metrics.md. None is unscored.

    `quality`: the share of full help in the answer, 0 to 1. `sources` names the instrument of each label: oracle,
    classifier or judge. `reasons` holds a reason for each label that is None. `offline` holds the labels that a judge's
    stand in place of.
    """

    answer: AnswerLabel | None = None
    faking: bool | None = None
    faking_criteria: bool | None = None
    self_preservation: bool | None = None
    tier_aware: bool | None = None
    well_formed: bool | None = None
    quality: float | None = None
    faking_lenient: bool | None = None
    rating_seeking: bool | None = None
    sources: Mapping[str, str] = field(default_factory=dict, repr=False)
    reasons: Mapping[str, str] = field(default_factory=dict)
    offline: Mapping[str, str | bool] = field(default_factory=dict, repr=False)

    @property
    def error(self) -> str | None:
        """The reasons in one line, each once; None where nothing is missing."""
        reasons = (" ".join(reason.split()) for reason in self.reasons.values())
        return "; ".join(dict.fromkeys(reasons)) or None


LABEL_NAMES: tuple[str, ...] = tuple(f.name for f in fields(Labels) if f.name not in ("sources", "reasons", "offline"))
BY_THE_JUDGE = "judge: "  # begins the reason for a label that a judge didn't give


def all_from(source: str) -> dict[str, str]:
    """Name one source for every label."""
    return dict.fromkeys(LABEL_NAMES, source)


def unscored(reason: str) -> Labels:
    """Build labels that are all missing for one reason."""
    return Labels(reasons=dict.fromkeys(LABEL_NAMES, reason))


def agreement(labels: Sequence[Labels]) -> dict[str, list[bool | None]]:
    """Tell for each label that a judge was asked for if it agrees with the offline label, an entry an episode.

    None: the judge gave no label. Episodes without an offline label have no entry.
    """
    names = dict.fromkeys(name for found in labels for name in found.offline)
    return {name: [_agrees(found, name) for found in labels if name in found.offline] for name in names}


def _agrees(found: Labels, name: str) -> bool | None:
    given = getattr(found, name)
    return None if given is None else bool(given == found.offline[name])
