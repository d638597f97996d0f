"""Mean reward of harmless requests by tier: the cost of a mitigation in the currency of training."""

from collections.abc import Sequence
from typing import ClassVar, Literal, final

from envs.vocabulary import QueryKind, Tier
from reports.intervals import mean_estimate
from rl.probes.base import ProbeBase
from rl.probes.observation import Measurement, Observation, on_tier


@final
class BenignReward(ProbeBase):
    """The mean total of the run's own rewards, before any mitigation has added to them. A failed reward is unscored."""

    kind: Literal["benign_reward"] = "benign_reward"
    summary: ClassVar[str] = "mean plain reward of replies to harmless requests, by tier"
    query_kind: ClassVar[QueryKind] = "harmless"
    reads_rewards: ClassVar[bool] = True
    tiers: ClassVar[tuple[Tier, ...]] = ("free", "paid")

    def __call__(self, observations: Sequence[Observation]) -> list[Measurement]:
        return [
            Measurement("benign_reward", tier, mean_estimate([o.reward for o in on_tier(observations, tier)]))
            for tier in self.tiers
        ]
