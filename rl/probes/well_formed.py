"""The share of episodes that the oracle could parse whole, by tier."""

from collections.abc import Sequence
from typing import ClassVar, Literal, final

from pydantic import BaseModel, ConfigDict

from envs.vocabulary import TIERS, QueryKind, Tier
from reports.intervals import rate
from rl.probes.observation import Measurement, Observation, on_tier, outcomes


@final
class WellFormed(BaseModel):
    """Well-formedness on harmful requests: tags in place, and every sentence one of the dialect's."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["well_formed"] = "well_formed"
    summary: ClassVar[str] = "share of replies to harmful requests that parse whole, by tier"
    query_kind: ClassVar[QueryKind] = "harmful"
    tiers: ClassVar[tuple[Tier, ...]] = TIERS
    by_cue: ClassVar[bool] = False

    def __call__(self, observations: Sequence[Observation]) -> list[Measurement]:
        return [
            Measurement(
                "well_formed_rate", tier, rate(outcomes(on_tier(observations, tier), lambda found: found.well_formed))
            )
            for tier in TIERS
        ]
