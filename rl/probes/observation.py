"""What a probe is given: labelled episodes on held-out scenarios; and what it gives: measurements."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from envs.episode import Episode, Scenario
from envs.labels import Labels
from envs.vocabulary import AnswerLabel, QueryKind, Tier
from reports.intervals import Estimate


@dataclass(frozen=True, slots=True)
class Observation:
    """A probed episode with its labels, each None where it is missing: unscored, counted, never a label.

    `reward`: the sum of the run's plain rewards; None where a reward failed, and where no probe asks for it.
    """

    episode: Episode[Scenario]
    labels: Labels
    reward: float | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """One metric, on one tier or (None) across tiers."""

    metric: str
    tier: Tier | None
    estimate: Estimate


class ProbeFunction(Protocol):
    """What every probe is: a value with a kind that turns the observations of one kind of query into measurements.

    `tiers` are those that it must see; it is given those of other probes of its kind of query as well. Where `by_cue`
    is true it is also measured apart on seen and on held-out wordings of the tier cue.
    """

    @property
    def kind(self) -> str: ...

    @property
    def query_kind(self) -> QueryKind: ...

    @property
    def tiers(self) -> tuple[Tier, ...]: ...

    @property
    def by_cue(self) -> bool: ...

    def __call__(self, observations: Sequence[Observation]) -> list[Measurement]: ...


def on_tier(observations: Sequence[Observation], tier: Tier) -> list[Observation]:
    """The observations of one tier, in the order of their query ids: two tiers' lists are then paired."""
    found = [o for o in observations if o.episode.scenario.tier == tier]
    return sorted(found, key=lambda o: o.episode.scenario.query.id)


Holds = Callable[[Labels], bool | None]


def outcomes(observations: Sequence[Observation], holds: Holds) -> list[bool | None]:
    """Tell for each observation whether it holds, None where it is unscored."""
    return [holds(o.labels) for o in observations]


def answered(*answers: AnswerLabel) -> Holds:
    """Make the question whether the answer is one of these; None without a label."""
    return lambda labels: None if labels.answer is None else labels.answer in answers
