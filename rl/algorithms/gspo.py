"""GSPO: one importance ratio a completion."""

from typing import ClassVar, Literal, final

from pydantic import Field

from rl.algorithms.advantages import Array, GroupAdvantages, group_advantages
from rl.algorithms.losses import RatioLevel
from rl.algorithms.policy_gradient import PolicyGradient


@final
class GSPO(PolicyGradient):
    """Group sequence policy optimisation (Zheng et al. 2025); the clip, of length-normalised ratios, is that of 5.1."""

    kind: Literal["gspo"] = "gspo"
    summary: ClassVar[str] = "GRPO with one length-normalised ratio a completion and a tight clip"
    ratio_level: ClassVar[RatioLevel] = "sequence_mean"
    clip_low: float = Field(default=3e-4, gt=0)
    clip_high: float = Field(default=4e-4, gt=0)

    def advantages(self, rewards_PG: Array) -> GroupAdvantages:
        return group_advantages(rewards_PG, "group", self.min_group_std)
