"""REINFORCE: the mean of a step's rewards as the baseline."""

from typing import ClassVar, Literal, final

from rl.algorithms.advantages import Array, GroupAdvantages, batch_baseline_advantages
from rl.algorithms.losses import KLEstimator, RatioLevel
from rl.algorithms.policy_gradient import PolicyGradient


@final
class Reinforce(PolicyGradient):
    """REINFORCE with a batch baseline (Williams 1992, section 4); a completion is one action, KL in the reward."""

    kind: Literal["reinforce"] = "reinforce"
    summary: ClassVar[str] = "mean reward of the step as baseline, KL in the reward; groups of one will do"
    ratio_level: ClassVar[RatioLevel] = "sequence_sum"
    compares_groups: ClassVar[bool] = False
    kl_estimator: KLEstimator = "k1"
    kl_in: Literal["loss", "reward"] = "reward"

    def advantages(self, rewards_PG: Array) -> GroupAdvantages:
        return batch_baseline_advantages(rewards_PG, self.min_group_std)
