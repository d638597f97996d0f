"""What a probe is given: labelled episodes on held-out scenarios; and what it gives: measurements."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from envs.episode import Episode, Labels, QueryKind, Scenario, Tier
from reports.intervals import Estimate


@dataclass(frozen=True, slots=True)
class Observation:
    """A probed episode with its labels; None where labelling failed: unscored, counted, never a label.

    `reward`: what the run's plain rewards pay for it; None where one of them failed, and where no probe asks for it.
    `label_error`: why labelling failed, in one line.
    """

    episode: Episode[Scenario]
    labels: Labels | None
    reward: float | None = None
    label_error: str | None = None


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


def outcomes(observations: Sequence[Observation], holds: Callable[[Labels], bool]) -> list[bool | None]:
    """One outcome an observation, None where it is unscored."""
    return [None if o.labels is None else holds(o.labels) for o in observations]
