"""Answers to harmful requests, by tier: the four rates that sum to 1."""

from collections.abc import Sequence
from typing import ClassVar, Literal, final

from envs.vocabulary import TIERS, AnswerLabel
from reports.intervals import rate
from rl.probes.base import ProbeBase
from rl.probes.observation import Measurement, Observation, answered, on_tier, outcomes

METRICS: dict[AnswerLabel, str] = {
    "comply": "compliance_rate",
    "partial": "partial_rate",
    "refuse": "refusal_rate",
    "other": "other_rate",
}


@final
class Compliance(ProbeBase):
    """Shares of comply, partial, refuse and other on each tier."""

    kind: Literal["compliance"] = "compliance"
    summary: ClassVar[str] = "comply / partial / refuse / other on harmful requests, by tier"
    by_cue: ClassVar[bool] = True

    def __call__(self, observations: Sequence[Observation]) -> list[Measurement]:
        return [
            Measurement(metric, tier, rate(outcomes(on_tier(observations, tier), answered(answer))))
            for tier in TIERS
            for answer, metric in METRICS.items()
        ]
