"""GRPO: the mean of a prompt's completions as the baseline of each."""

from typing import ClassVar, Literal, final

from rl.algorithms.advantages import Array, GroupAdvantages, Scale, group_advantages
from rl.algorithms.policy_gradient import PolicyGradient


@final
class GRPO(PolicyGradient):
    """Group-relative policy optimisation (Shao et al. 2024, "DeepSeekMath", section 4.1)."""

    kind: Literal["grpo"] = "grpo"
    summary: ClassVar[str] = "group mean as baseline, divided by a standard deviation"
    scale: Scale = "group"

    def advantages(self, rewards_PG: Array) -> GroupAdvantages:
        return group_advantages(rewards_PG, self.scale, self.min_group_std)
