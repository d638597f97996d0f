"""Dr. GRPO: GRPO without its two biases, towards long wrong answers and towards easy prompts."""

from typing import ClassVar, Literal, final

from pydantic import Field

from rl.algorithms.advantages import Array, GroupAdvantages, group_advantages
from rl.algorithms.losses import Average
from rl.algorithms.policy_gradient import PolicyGradient


@final
class DrGRPO(PolicyGradient):
    """Neither divided by the deviation nor by the length (Liu et al. 2025, "Understanding R1-Zero-like training")."""

    kind: Literal["dr_grpo"] = "dr_grpo"
    summary: ClassVar[str] = "GRPO without dividing by deviation or length; no KL"
    average: ClassVar[Average] = "constant"
    kl_weight: float = Field(default=0.0, ge=0)

    def advantages(self, rewards_PG: Array) -> GroupAdvantages:
        return group_advantages(rewards_PG, "none", self.min_group_std)
