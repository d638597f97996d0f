"""PPO: a critic on the policy's trunk estimates the advantage of each token."""

from dataclasses import replace
from typing import ClassVar, Literal, final

import numpy as np
from pydantic import Field
from torch import Tensor

from rl.algorithms.advantages import (
    Array,
    GroupAdvantages,
    Mask,
    batch_baseline_advantages,
    generalised_advantages,
    on_last_token,
    whiten,
)
from rl.algorithms.losses import Average, ValueLoss, clipped_value_loss
from rl.algorithms.policy_gradient import PolicyGradient, TokenAdvantages


@final
class PPO(PolicyGradient):
    """Proximal policy optimisation (Schulman et al. 2017) over the tokens that are trained on.

    The outcome reward stands on the last of them; the critic is a linear value head on the policy's last hidden state.
    Every completion may have a prompt of its own, since nothing is compared within a group.
    """

    kind: Literal["ppo"] = "ppo"
    summary: ClassVar[str] = "value head on the policy's trunk, generalised advantages, several gradient steps a batch"
    average: ClassVar[Average] = "token"
    compares_groups: ClassVar[bool] = False
    has_critic: ClassVar[bool] = True
    epochs: int = Field(default=2, ge=1)
    minibatches: int = Field(default=2, ge=1)
    gamma: float = Field(default=1.0, gt=0, le=1, description="Gamma: a reward one token later counts this much.")
    # With an outcome reward and a critic that knows nothing yet, lambda < 1 leaves early tokens a vanishing part of it,
    # and whitening makes that a penalty on them whatever was earned (Yuan et al. 2025, "What's behind PPO's collapse in
    # long-CoT?", section 3): at 0.95 the scratchpads of the first-light run fell apart.
    gae_lambda: float = Field(default=1.0, ge=0, le=1, description="Lambda of the generalised advantage estimate.")
    critic_learning_rate: float = Field(
        default=1e-3, gt=0, description="Of the value head, which starts from nothing; the trunk has the policy's."
    )
    value_weight: float = Field(default=0.1, gt=0, description="Weight of the value error in the loss.")
    value_clip: float = Field(default=0.2, gt=0)
    whiten: bool = Field(default=True, description="Advantages to mean 0 and deviation 1 over the step's tokens.")

    @property
    def critic_rate(self) -> float | None:
        return self.critic_learning_rate

    def advantages(self, rewards_PG: Array) -> GroupAdvantages:
        return batch_baseline_advantages(rewards_PG, self.min_group_std)  # which groups are degenerate or unscored

    def token_advantages(
        self, rewards_PG: Array, kl_NT: Array | None, values_NT: Array | None, loss_mask_NT: Mask
    ) -> TokenAdvantages:
        """Compute generalised advantages. A KL penalty in the reward falls on the token that it is measured at."""
        assert values_NT is not None, "PPO has a critic"
        groups = self.advantages(rewards_PG)
        outcome_N = rewards_PG.reshape(-1)
        scored_NT = loss_mask_NT & ~np.isnan(outcome_N)[:, None]
        rewards_NT = on_last_token(np.nan_to_num(outcome_N), scored_NT)
        if kl_NT is not None:
            rewards_NT = rewards_NT - self.kl_weight * kl_NT
        advantages_NT, returns_NT = generalised_advantages(
            rewards_NT, values_NT, scored_NT, self.gamma, self.gae_lambda
        )
        # An unscored completion teaches the critic nothing: its targets are the values that it gave.
        returns_NT = np.where(scored_NT, returns_NT, values_NT)
        if self.whiten:
            advantages_NT = whiten(advantages_NT, scored_NT)
        return TokenAdvantages(advantages_NT, returns_NT, groups.degenerate_P, groups.left_out_P)

    def critic_loss(
        self, values_BT: Tensor, old_values_BT: Tensor, returns_BT: Tensor, loss_mask_BT: Tensor, weights_B: Tensor
    ) -> ValueLoss:
        found = clipped_value_loss(values_BT, old_values_BT, returns_BT, loss_mask_BT, weights_B, self.value_clip)
        return replace(found, loss=self.value_weight * found.loss)
