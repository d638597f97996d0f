"""Base class of policy-gradient algorithms: gradient steps, clip and KL penalty; and what a subclass states."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator
from torch import Tensor

from rl.algorithms.advantages import Array, GroupAdvantages, Mask
from rl.algorithms.losses import Average, KLEstimator, PolicyLoss, RatioLevel, ValueLoss, clipped_policy_loss
from rl.algorithms.settings import AlgorithmSettings


@dataclass(frozen=True)
class TokenAdvantages:
    """Advantages of a step's tokens, (N, T); `returns_NT` are the critic's targets, None without a critic."""

    advantages_NT: Array
    returns_NT: Array | None
    degenerate_P: Mask
    left_out_P: Mask


class PolicyGradient(AlgorithmSettings, ABC):
    """Settings that all policy-gradient algorithms have. A subclass states its advantages, its mean and its ratio.

    `epochs` x `minibatches` gradient steps are taken on each batch of prompts_per_step x group_size completions.
    """

    epochs: int = Field(default=1, ge=1, description="Passes over each batch.")
    minibatches: int = Field(default=1, ge=1, description="Gradient steps a pass; divides the batch.")
    clip_low: float = Field(default=0.2, gt=0)
    clip_high: float = Field(default=0.2, gt=0)
    kl_weight: float = Field(default=0.05, ge=0)
    kl_estimator: KLEstimator = "k3"
    kl_in: Literal["loss", "reward"] = "loss"

    average: ClassVar[Average] = "completion"
    ratio_level: ClassVar[RatioLevel] = "token"

    @model_validator(mode="after")
    def _settings_agree(self) -> Self:
        self.require_comparison()
        if self.completions < 2:
            raise ValueError(
                "a step of one completion has nothing to compare it with: raise algorithm.prompts_per_step"
            )
        if self.kl_weight > 0 and (self.kl_in, self.kl_estimator) == ("loss", "k1"):
            raise ValueError(
                "k1 in the loss has no gradient but noise: set algorithm.kl_in to reward, or algorithm.kl_estimator "
                "to k2 or k3"
            )
        if self.completions % self.minibatches:
            divisors = [str(n) for n in range(1, self.completions + 1) if self.completions % n == 0]
            raise ValueError(
                f"{self.minibatches} minibatches don't divide the {self.completions} completions of a step "
                f"(prompts_per_step {self.prompts_per_step} x group_size {self.group_size}): "
                f"set algorithm.minibatches to one of {', '.join(divisors)}"
            )
        if self.moving_reference is not None and self.kl_weight == 0:
            raise ValueError(
                "a moving reference does nothing at kl_weight 0: raise algorithm.kl_weight, or set "
                "algorithm.moving_reference to null"
            )
        return self

    @abstractmethod
    def advantages(self, rewards_PG: Array) -> GroupAdvantages:
        """Compute the advantage of each completion from the rewards (NaN where unscored)."""

    def token_advantages(
        self, rewards_PG: Array, kl_NT: Array | None, values_NT: Array | None, loss_mask_NT: Mask
    ) -> TokenAdvantages:
        """Give each token its completion's advantage. A KL penalty in the reward is summed over tokens.

        `kl_NT` holds the estimates where the penalty is in the reward, else None; `values_NT` the critic's values.
        """
        groups = found = self.advantages(rewards_PG)  # which groups are alike is said of the rewards alone
        if kl_NT is not None:
            found = self.advantages(rewards_PG - self.kl_weight * kl_NT.sum(axis=1).reshape(rewards_PG.shape))
        advantages_NT = np.where(loss_mask_NT, found.advantages_PG.reshape(-1, 1), 0.0)
        return TokenAdvantages(advantages_NT, None, groups.degenerate_P, groups.left_out_P)

    def loss(
        self,
        logprobs_BT: Tensor,
        sampled_logprobs_BT: Tensor,
        advantages_BT: Tensor,
        loss_mask_BT: Tensor,
        weights_B: Tensor,
    ) -> PolicyLoss:
        """Compute the clipped objective with this algorithm's clip and ratio."""
        return clipped_policy_loss(
            logprobs_BT, sampled_logprobs_BT, advantages_BT, loss_mask_BT, weights_B,
            self.clip_low, self.clip_high, self.ratio_level,
        )  # fmt: skip

    def critic_loss(
        self, values_BT: Tensor, old_values_BT: Tensor, returns_BT: Tensor, loss_mask_BT: Tensor, weights_B: Tensor
    ) -> ValueLoss:
        """Compute the critic's weighted error, of an algorithm that has a critic."""
        raise AssertionError(f"{self.kind} has no critic")
