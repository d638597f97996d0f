"""DAPO: a higher upper clip, a mean over tokens, and only groups that carry a gradient."""

from typing import ClassVar, Literal, final

from pydantic import Field

from rl.algorithms.advantages import Array, GroupAdvantages, group_advantages
from rl.algorithms.losses import Average
from rl.algorithms.policy_gradient import PolicyGradient


@final
class DAPO(PolicyGradient):
    """Decoupled clip and dynamic sampling (Yu et al. 2025, "DAPO", section 3; without its length penalty).

    Dynamic sampling draws further prompts until prompts_per_step groups have variance, for at most `max_rounds` rounds
    of prompts_per_step; what is missing then is filled with groups that have none.
    """

    kind: Literal["dapo"] = "dapo"
    summary: ClassVar[str] = "asymmetric clip, token-level mean, prompts drawn until every group has variance; no KL"
    average: ClassVar[Average] = "token"
    clip_high: float = Field(default=0.28, gt=0)
    kl_weight: float = Field(default=0.0, ge=0)
    max_rounds: int = Field(default=4, ge=1, description="1 switches dynamic sampling off.")

    @property
    def rounds(self) -> int:
        return self.max_rounds

    def advantages(self, rewards_PG: Array) -> GroupAdvantages:
        return group_advantages(rewards_PG, "group", self.min_group_std)
