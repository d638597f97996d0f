"""Observations and measurements: labelled episodes on held-out scenarios, and a probe's numbers of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from envs.episode import Episode, Scenario
from envs.labels import Labels
from envs.vocabulary import AnswerLabel, Tier
from reports.intervals import Estimate
from rewards.score import Score


@dataclass(frozen=True, slots=True)
class Observation:
    """A probed episode with its labels, each None where it is missing: unscored, counted, never a label.

    `score`: by the run's own rewards, before any mitigation; None where no probe of this kind of query reads rewards.
    `second`: by the scorer that training never sees; None where no probe reads it.
    """

    episode: Episode[Scenario]
    labels: Labels
    score: Score | None = None
    second: float | None = None

    @property
    def reward(self) -> float | None:
        """The sum of the rewards; None where one failed, and without a score."""
        return None if self.score is None else self.score.total

    def component(self, name: str) -> float | None:
        """Return one reward component before its weight; None without a score."""
        return None if self.score is None else self.score.unweighted.get(name)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One metric, on one tier, or across tiers where `tier` is None.

    `compared` names the tiers that a metric across tiers needs.
    """

    metric: str
    tier: Tier | None
    estimate: Estimate
    compared: tuple[Tier, ...] = ()

    @property
    def needed(self) -> tuple[Tier, ...]:
        """The tiers without which the metric has no meaning."""
        return self.compared if self.tier is None else (self.tier,)


def on_tier(observations: Sequence[Observation], tier: Tier) -> list[Observation]:
    """Select one tier's observations, in the order of their query ids: two tiers' lists are then paired."""
    found = [o for o in observations if o.episode.scenario.tier == tier]
    return sorted(found, key=lambda o: o.episode.scenario.query.id)


Holds = Callable[[Labels], bool | None]


def outcomes(observations: Sequence[Observation], holds: Holds) -> list[bool | None]:
    """Tell for each observation whether it holds, None where it is unscored."""
    return [holds(o.labels) for o in observations]


def answered(*answers: AnswerLabel) -> Holds:
    """Make the question whether the answer is one of these; None without a label."""
    return lambda labels: None if labels.answer is None else labels.answer in answers
