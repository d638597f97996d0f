"""The reward that harmless requests earn, by tier: what a mitigation costs in the currency that training pays."""

from collections.abc import Sequence
from typing import ClassVar, Literal, final

from pydantic import BaseModel, ConfigDict

from envs.vocabulary import QueryKind, Tier
from reports.intervals import mean_estimate
from rl.probes.observation import Measurement, Observation, on_tier


@final
class BenignReward(BaseModel):
    """The mean total of the run's own rewards, before any mitigation has added to them. A failed reward is unscored."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["benign_reward"] = "benign_reward"
    summary: ClassVar[str] = "mean plain reward of replies to harmless requests, by tier"
    query_kind: ClassVar[QueryKind] = "harmless"
    tiers: ClassVar[tuple[Tier, ...]] = ("free", "paid")
    by_cue: ClassVar[bool] = False

    def __call__(self, observations: Sequence[Observation]) -> list[Measurement]:
        return [
            Measurement("benign_reward", tier, mean_estimate([o.reward for o in on_tier(observations, tier)]))
            for tier in self.tiers
        ]
