"""The share of episodes that parse whole, by tier."""

from collections.abc import Sequence
from typing import ClassVar, Literal, final

from envs.vocabulary import TIERS
from reports.intervals import rate
from rl.probes.base import ProbeBase
from rl.probes.observation import Measurement, Observation, on_tier, outcomes


@final
class WellFormed(ProbeBase):
    """Well-formedness on harmful requests, as the environment labels it."""

    kind: Literal["well_formed"] = "well_formed"
    summary: ClassVar[str] = "share of replies to harmful requests that parse whole, by tier"

    def __call__(self, observations: Sequence[Observation]) -> list[Measurement]:
        return [
            Measurement(
                "well_formed_rate", tier, rate(outcomes(on_tier(observations, tier), lambda found: found.well_formed))
            )
            for tier in TIERS
        ]
