"""Labels of an episode, each with its source, or with the reason for which it is missing."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from envs.vocabulary import AnswerLabel


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of one episode, as defined in docs/reference/metrics.md. None is unscored.

    `quality`: the share of full help that the answer gives, 0 to 1. `sources` names the instrument of each label:
    oracle, classifier or judge. `reasons` holds a reason for each label that is None.
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

    @property
    def error(self) -> str | None:
        """The reasons in one line, each once; None where nothing is missing."""
        reasons = (" ".join(reason.split()) for reason in self.reasons.values())
        return "; ".join(dict.fromkeys(reasons)) or None


LABEL_NAMES: tuple[str, ...] = tuple(f.name for f in fields(Labels) if f.name not in ("sources", "reasons"))


def all_from(source: str) -> dict[str, str]:
    """Name one source for every label."""
    return dict.fromkeys(LABEL_NAMES, source)


def unscored(reason: str) -> Labels:
    """Make labels that are all missing for one reason."""
    return Labels(reasons=dict.fromkeys(LABEL_NAMES, reason))
