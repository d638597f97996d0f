"""RLOO: REINFORCE with the mean of a prompt's other completions as the baseline."""

from typing import ClassVar, Literal, final

from rl.algorithms.advantages import Array, GroupAdvantages, leave_one_out_advantages
from rl.algorithms.losses import KLEstimator, RatioLevel
from rl.algorithms.policy_gradient import PolicyGradient


@final
class RLOO(PolicyGradient):
    """REINFORCE leave-one-out (Ahmadian et al. 2024, "Back to Basics", section 2): a completion is one action.

    The KL penalty is in the reward, k1 summed over the completion; it is weighted against a whole completion's reward,
    where GRPO's is a mean over tokens.
    """

    kind: Literal["rloo"] = "rloo"
    summary: ClassVar[str] = "leave-one-out baseline, whole completion as one action, KL in the reward"
    ratio_level: ClassVar[RatioLevel] = "sequence_sum"
    kl_estimator: KLEstimator = "k1"
    kl_in: Literal["loss", "reward"] = "reward"

    def advantages(self, rewards_PG: Array) -> GroupAdvantages:
        return leave_one_out_advantages(rewards_PG, self.min_group_std)
