"""Advantages: from the rewards of a group of completions to what each completion is worth. Pure, arrays in and out.

Dimension suffixes: P prompts of a step, G completions of a prompt (the group).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class GroupAdvantages:
    """`advantages_PG` are 0 for unscored completions and in groups that carry no gradient.

    `degenerate_P`: groups whose scored rewards are all alike. `left_out_P`: groups with fewer than two scored rewards.
    """

    advantages_PG: Array
    degenerate_P: NDArray[np.bool_]
    left_out_P: NDArray[np.bool_]


def group_advantages(rewards_PG: Array, min_std: float = 1e-6, epsilon: float = 1e-4) -> GroupAdvantages:
    """Group-normalised advantages of GRPO: (r - mean of its group) / (standard deviation of its group + epsilon).

    Source: Shao et al. 2024, "DeepSeekMath", section 4.1.2 (outcome supervision); the standard deviation is the
    sample's (n - 1), as in TRL. NaN marks an unscored completion: it is left out of its group's mean and deviation.

    Args:
        rewards_PG: rewards, shape (P, G), NaN where unscored.
        min_std: a group whose standard deviation is at most this is degenerate: it gets zero advantage.
        epsilon: keeps the quotient finite.

    Raises:
        ValueError: if the array isn't (P, G) with G >= 2, or holds an infinity.
    """
    if rewards_PG.ndim != 2 or rewards_PG.shape[1] < 2:
        raise ValueError(f"rewards must have shape (prompts, group of at least 2), not {rewards_PG.shape}")
    if np.isinf(rewards_PG).any():
        raise ValueError("rewards hold an infinity: mark what failed as NaN")
    scored_PG = ~np.isnan(rewards_PG)
    count_P = scored_PG.sum(axis=1)
    left_out_P = count_P < 2
    filled_PG = np.where(scored_PG, rewards_PG, 0.0)
    mean_P = filled_PG.sum(axis=1) / np.maximum(count_P, 1)
    centred_PG = np.where(scored_PG, rewards_PG - mean_P[:, None], 0.0)
    std_P = np.sqrt((centred_PG**2).sum(axis=1) / np.maximum(count_P - 1, 1))
    degenerate_P = ~left_out_P & (std_P <= min_std)
    carries_P = ~left_out_P & ~degenerate_P
    advantages_PG = np.where(carries_P[:, None], centred_PG / (std_P[:, None] + epsilon), 0.0)
    return GroupAdvantages(advantages_PG, degenerate_P, left_out_P)
