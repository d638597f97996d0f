"""Advantages of completions, or of their tokens, from rewards. Pure, arrays in and out.

Dimension suffixes: P prompts of a step, G completions of a prompt (the group), N completions of a step, T completion
positions (padded right). NaN marks an unscored reward.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Scale = Literal["group", "batch", "none"]


@dataclass(frozen=True)
class GroupAdvantages:
    """`advantages_PG` are 0 for unscored completions and in groups that are degenerate or left out.

    `degenerate_P`: groups whose scored rewards are all alike. `left_out_P`: groups with too few scored rewards.
    """

    advantages_PG: Array
    degenerate_P: Mask
    left_out_P: Mask


@dataclass(frozen=True)
class _Groups:
    """The scored part of a batch of rewards, with each group's mean and sample standard deviation (n - 1)."""

    scored_PG: Mask
    rewards_PG: Array  # 0 where unscored
    count_P: NDArray[np.int64]
    mean_P: Array
    std_P: Array


def _groups(rewards_PG: Array, smallest: int) -> _Groups:
    if rewards_PG.ndim != 2 or rewards_PG.shape[1] < smallest:
        raise ValueError(f"rewards must have shape (prompts, group of at least {smallest}), not {rewards_PG.shape}")
    if np.isinf(rewards_PG).any():
        raise ValueError("rewards hold an infinity: mark what failed as NaN")
    scored_PG = ~np.isnan(rewards_PG)
    count_P = scored_PG.sum(axis=1)
    filled_PG = np.where(scored_PG, rewards_PG, 0.0)
    mean_P = filled_PG.sum(axis=1) / np.maximum(count_P, 1)
    centred_PG = np.where(scored_PG, rewards_PG - mean_P[:, None], 0.0)
    std_P = np.sqrt((centred_PG**2).sum(axis=1) / np.maximum(count_P - 1, 1))
    return _Groups(scored_PG, filled_PG, count_P, mean_P, std_P)


def group_advantages(
    rewards_PG: Array, scale: Scale = "group", min_std: float = 1e-6, epsilon: float = 1e-4
) -> GroupAdvantages:
    """Compute group-normalised advantages: (r - mean) / (std + epsilon), with the mean of the group.

    `scale` "group" divides by the group's own deviation: Shao et al. 2024, "DeepSeekMath", section 4.1.2. "batch"
    divides by that of all scored rewards: Liu, Z. et al. 2025, "Part I: Tricks or Traps", section 4.1. "none" divides
    by nothing: Liu, Z. et al. 2025, "Understanding R1-Zero-like training", section 3.1. Deviations are the sample's
    (n - 1), as in TRL. An unscored completion is left out of the mean and of the deviation.

    Args:
        rewards_PG: rewards, shape (P, G), NaN where unscored.
        scale: what the centred rewards are divided by.
        min_std: a group whose standard deviation is at most this is degenerate: it gets zero advantage.
        epsilon: keeps the quotient finite.

    Raises:
        ValueError: if the array isn't (P, G) with G >= 2, or holds an infinity.
    """
    groups = _groups(rewards_PG, smallest=2)
    left_out_P = groups.count_P < 2
    degenerate_P = ~left_out_P & (groups.std_P <= min_std)
    centred_PG = np.where(groups.scored_PG, rewards_PG - groups.mean_P[:, None], 0.0)
    if scale == "group":
        centred_PG = centred_PG / (groups.std_P[:, None] + epsilon)
    elif scale == "batch":
        centred_PG = centred_PG / (_deviation(rewards_PG) + epsilon)
    carries_P = ~left_out_P & ~degenerate_P
    return GroupAdvantages(np.where(carries_P[:, None], centred_PG, 0.0), degenerate_P, left_out_P)


def _deviation(rewards: Array) -> float:
    """Compute the sample standard deviation of the scored rewards; 0 with fewer than two."""
    known = rewards[~np.isnan(rewards)]
    return float(known.std(ddof=1)) if len(known) > 1 else 0.0


def leave_one_out_advantages(rewards_PG: Array, min_std: float = 1e-6) -> GroupAdvantages:
    """Compute leave-one-out advantages: each reward against the mean of the others of its group.

    Source: Ahmadian et al. 2024, "Back to Basics", equation 8 (RLOO); Kool et al. 2019. Arguments and errors as in
    `group_advantages`.
    """
    groups = _groups(rewards_PG, smallest=2)
    left_out_P = groups.count_P < 2
    degenerate_P = ~left_out_P & (groups.std_P <= min_std)
    others_P1 = np.maximum(groups.count_P - 1, 1)[:, None]
    baseline_PG = (groups.rewards_PG.sum(axis=1, keepdims=True) - groups.rewards_PG) / others_P1
    carries_PG = groups.scored_PG & (~left_out_P & ~degenerate_P)[:, None]
    return GroupAdvantages(np.where(carries_PG, groups.rewards_PG - baseline_PG, 0.0), degenerate_P, left_out_P)


def batch_baseline_advantages(rewards_PG: Array, min_std: float = 1e-6) -> GroupAdvantages:
    """Compute advantages over a batch baseline: the mean of all scored rewards of the step, whatever their prompt.

    Source: Williams 1992, "Simple statistical gradient-following algorithms", section 4 (REINFORCE with a baseline).
    A group that is all alike still counts against the batch, so `degenerate_P` is only recorded here; `left_out_P` are
    groups without any score. Arguments and errors as in `group_advantages`, but G may be 1.
    """
    groups = _groups(rewards_PG, smallest=1)
    scored = groups.rewards_PG[groups.scored_PG]
    baseline = float(scored.mean()) if len(scored) else 0.0
    alike = _deviation(rewards_PG) <= min_std  # then what is left of the differences is rounding
    degenerate_P = (groups.count_P > 1) & (groups.std_P <= min_std)
    centred_PG = np.where(groups.scored_PG & (not alike), rewards_PG - baseline, 0.0)
    return GroupAdvantages(centred_PG, degenerate_P, groups.count_P == 0)


def generalised_advantages(
    rewards_NT: Array, values_NT: Array, loss_mask_NT: Mask, gamma: float, gae_lambda: float
) -> tuple[Array, Array]:
    """Compute generalised advantage estimates and the returns, the targets of the values, both (N, T).

    A_t = delta_t + gamma * gae_lambda * A_next, delta_t = r_t + gamma * V_next - V_t, where "next" is the next token
    of the loss mask: a masked token is no step of the episode. Beyond the last, V and A are 0. Both are 0 at masked
    tokens.

    Source: Schulman et al. 2016, "High-dimensional continuous control", equations 11 to 16; the returns A + V as in
    Schulman et al. 2017, section 5.

    Args:
        rewards_NT: reward of each token; an outcome reward stands on the last token of the loss mask.
        values_NT: the critic's value before each token.
        loss_mask_NT: the tokens that are trained on.
        gamma: discount of a reward one token later. gae_lambda: decay of the trace.

    Raises:
        ValueError: if shapes disagree.
    """
    if not rewards_NT.shape == values_NT.shape == loss_mask_NT.shape:
        raise ValueError(f"shapes disagree: {rewards_NT.shape}, {values_NT.shape}, {loss_mask_NT.shape}")
    advantages_NT = np.zeros_like(rewards_NT)
    next_value_N = np.zeros(len(rewards_NT))
    next_advantage_N = np.zeros(len(rewards_NT))
    for t in reversed(range(rewards_NT.shape[1])):
        here_N = loss_mask_NT[:, t]
        delta_N = rewards_NT[:, t] + gamma * next_value_N - values_NT[:, t]
        advantage_N = delta_N + gamma * gae_lambda * next_advantage_N
        advantages_NT[:, t] = np.where(here_N, advantage_N, 0.0)
        next_advantage_N = np.where(here_N, advantage_N, next_advantage_N)
        next_value_N = np.where(here_N, values_NT[:, t], next_value_N)
    return advantages_NT, np.where(loss_mask_NT, advantages_NT + values_NT, 0.0)


def on_last_token(outcome_N: Array, loss_mask_NT: Mask) -> Array:
    """Put each outcome on the last token of its completion's loss mask, 0 elsewhere; shape (N, T)."""
    last_NT = loss_mask_NT & (np.cumsum(loss_mask_NT[:, ::-1], axis=1)[:, ::-1] == 1)
    return np.where(last_NT, outcome_N[:, None], 0.0)


def whiten(advantages_NT: Array, loss_mask_NT: Mask, epsilon: float = 1e-8) -> Array:
    """Scale advantages to mean 0 and standard deviation 1 over the loss mask, 0 elsewhere.

    Source: Huang et al. 2022, "The 37 implementation details of PPO", detail 7; over the mask, as in Huang et al.
    2024, "The N+ implementation details of RLHF", section 3.
    """
    known = advantages_NT[loss_mask_NT]
    if not len(known):
        return np.zeros_like(advantages_NT)
    return np.where(loss_mask_NT, (advantages_NT - known.mean()) / (known.std() + epsilon), 0.0)
