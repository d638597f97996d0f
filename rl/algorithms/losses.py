"""Losses over tokens: clipped policy objective, KL estimates, clipped value error. Pure, tensors in and out.

Dimension suffixes: B completions of one forward pass, T completion tokens (padded right), N completions of one
gradient step. The losses are weighted sums over tokens, so that the forward passes of one gradient step add up to the
step's own loss however it is divided.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Average = Literal["completion", "token", "constant"]
RatioLevel = Literal["token", "sequence_mean", "sequence_sum"]
KLEstimator = Literal["k1", "k2", "k3"]


def completion_weights(tokens_N: Tensor, average: Average, max_tokens: int) -> Tensor:
    """Compute the weight of each completion's tokens in the loss of a gradient step; shape (N,).

    "completion": the mean over a completion's tokens, then over completions (Shao et al. 2024, equation 3). "token":
    the mean over all tokens (Yu et al. 2025, "DAPO", equation 12). "constant": the sum over tokens divided by the
    longest length that was allowed, so that a long completion isn't diluted (Liu et al. 2025, "Understanding
    R1-Zero-like training", section 3.1).

    Args:
        tokens_N: tokens of each completion in the loss mask; a completion without any still counts as a completion.
        average: which mean.
        max_tokens: the longest completion that was allowed.
    """
    if average == "completion":
        return 1.0 / (tokens_N.clamp(min=1) * len(tokens_N))
    if average == "token":
        return torch.ones_like(tokens_N) / tokens_N.sum().clamp(min=1)
    return torch.ones_like(tokens_N) / (len(tokens_N) * max_tokens)


@dataclass(frozen=True)
class PolicyLoss:
    """`loss` carries the gradient; clipped tokens and ratios are detached, over the loss mask.

    A token is clipped where the clip has stopped its gradient: below with a negative advantage, above with a positive
    advantage.
    """

    loss: Tensor
    clipped_low_BT: Tensor
    clipped_high_BT: Tensor
    ratio_BT: Tensor


def clipped_policy_loss(
    logprobs_BT: Tensor,
    sampled_logprobs_BT: Tensor,
    advantages_BT: Tensor,
    loss_mask_BT: Tensor,
    weights_B: Tensor,
    clip_low: float,
    clip_high: float,
    ratio_level: RatioLevel = "token",
) -> PolicyLoss:
    """Compute minus the clipped surrogate, the weighted sum of min(ratio A, clip(ratio, 1 - low, 1 + high) A).

    Sources: Schulman et al. 2017, "Proximal policy optimization", equation 7; the two sides apart as in Yu et al. 2025,
    "DAPO", equation 10. `ratio_level` "sequence_mean" takes one ratio a completion, the geometric mean of its tokens'
    (Zheng et al. 2025, "Group sequence policy optimization", equation 7); "sequence_sum" the ratio of the whole
    completion's probabilities, which makes the on-policy gradient that of REINFORCE (Ahmadian et al. 2024, equation 6).

    Args:
        logprobs_BT: of the policy that is updated; carries the gradient.
        sampled_logprobs_BT: of the policy that sampled.
        advantages_BT: advantage of each token; where the ratio is a completion's, the same for all of its tokens.
        loss_mask_BT: the tokens that are trained on.
        weights_B: the weight of each token of a completion.
        clip_low, clip_high: how far the ratio may go from 1 before the gradient stops.
        ratio_level: of what the ratio is taken.

    Raises:
        ValueError: if shapes disagree.
    """
    _require_shapes(logprobs_BT, sampled_logprobs_BT, advantages_BT, loss_mask_BT, weights_B)
    # Padding holds meaningless values, which may overflow: the ratio there is set to 1 before anything is multiplied.
    log_ratio_BT = torch.where(loss_mask_BT, logprobs_BT - sampled_logprobs_BT, torch.zeros_like(logprobs_BT))
    if ratio_level != "token":
        log_ratio_B1 = log_ratio_BT.sum(dim=1, keepdim=True)
        if ratio_level == "sequence_mean":
            log_ratio_B1 = log_ratio_B1 / loss_mask_BT.sum(dim=1, keepdim=True).clamp(min=1)
        log_ratio_BT = log_ratio_B1.expand_as(log_ratio_BT)
    ratio_BT = log_ratio_BT.exp()
    advantages_BT = torch.where(loss_mask_BT, advantages_BT, torch.zeros_like(advantages_BT))
    gain_BT = torch.minimum(ratio_BT * advantages_BT, ratio_BT.clamp(1 - clip_low, 1 + clip_high) * advantages_BT)
    return PolicyLoss(
        loss=-_weighted_sum(gain_BT, loss_mask_BT, weights_B),
        clipped_low_BT=(loss_mask_BT & (ratio_BT < 1 - clip_low) & (advantages_BT < 0)).detach(),
        clipped_high_BT=(loss_mask_BT & (ratio_BT > 1 + clip_high) & (advantages_BT > 0)).detach(),
        ratio_BT=ratio_BT.detach(),
    )


def _weighted_sum(values_BT: Tensor, loss_mask_BT: Tensor, weights_B: Tensor) -> Tensor:
    return (torch.where(loss_mask_BT, values_BT, torch.zeros_like(values_BT)) * weights_B.unsqueeze(1)).sum()


def _require_shapes(logprobs_BT: Tensor, *others: Tensor) -> None:
    *tokens, weights_B = others
    if any(other.shape != logprobs_BT.shape for other in tokens) or weights_B.shape != logprobs_BT.shape[:1]:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in (logprobs_BT, *others))
        raise ValueError(f"shapes disagree: {shapes}")


def k1(logprobs_BT: Tensor, reference_logprobs_BT: Tensor) -> Tensor:
    """Estimate KL(policy || reference) per token, in nats, without bias: the log-ratio itself, of either sign.

    As a penalty in the loss its gradient is 0 in expectation; it belongs in the reward.
    Source of all three: Schulman 2020, "Approximating KL divergence".
    """
    return logprobs_BT - reference_logprobs_BT


def k2(logprobs_BT: Tensor, reference_logprobs_BT: Tensor) -> Tensor:
    """Estimate KL(policy || reference) per token with a bias, never below 0: half the squared log-ratio."""
    return (logprobs_BT - reference_logprobs_BT) ** 2 / 2


def k3(logprobs_BT: Tensor, reference_logprobs_BT: Tensor) -> Tensor:
    """Estimate KL(policy || reference) per token without bias, never below 0: r - 1 - log r, r = reference / policy.

    Also Shao et al. 2024, equation 4.
    """
    log_ratio_BT = reference_logprobs_BT - logprobs_BT
    return log_ratio_BT.exp() - 1 - log_ratio_BT


KL_ESTIMATORS: dict[KLEstimator, Callable[[Tensor, Tensor], Tensor]] = {"k1": k1, "k2": k2, "k3": k3}


def kl_estimates(
    logprobs_BT: Tensor, reference_logprobs_BT: Tensor, loss_mask_BT: Tensor, estimator: KLEstimator
) -> Tensor:
    """Estimate the KL at each token of the loss mask, 0 elsewhere; the result carries the gradient of `logprobs_BT`.

    Raises:
        ValueError: if shapes disagree.
    """
    if not logprobs_BT.shape == reference_logprobs_BT.shape == loss_mask_BT.shape:
        raise ValueError(
            f"shapes disagree: logprobs {tuple(logprobs_BT.shape)}, reference {tuple(reference_logprobs_BT.shape)}, "
            f"loss mask {tuple(loss_mask_BT.shape)}"
        )
    zero = torch.zeros_like(logprobs_BT)
    return KL_ESTIMATORS[estimator](
        torch.where(loss_mask_BT, logprobs_BT, zero), torch.where(loss_mask_BT, reference_logprobs_BT, zero)
    )


def kl_loss(kl_BT: Tensor, loss_mask_BT: Tensor, weights_B: Tensor) -> Tensor:
    """Compute the weighted sum of per-token KL estimates."""
    return _weighted_sum(kl_BT, loss_mask_BT, weights_B)


@dataclass(frozen=True)
class ValueLoss:
    """`loss` carries the gradient, weighted as the algorithm weighs it; `error` is the plain one, detached.

    `clipped_BT`: tokens whose value the clip has stopped, as the error near the old value was the larger of the two.
    """

    loss: Tensor
    error: Tensor
    clipped_BT: Tensor


def clipped_value_loss(
    values_BT: Tensor, old_values_BT: Tensor, returns_BT: Tensor, loss_mask_BT: Tensor, weights_B: Tensor, clip: float
) -> ValueLoss:
    """Compute half the squared error of the critic, the larger of the errors with and without the value clip.

    Source: the value clipping of Schulman et al.'s implementation, as in Huang et al. 2022, "The 37 implementation
    details of PPO", detail 9.

    Args:
        values_BT: of the critic that is updated; carries the gradient.
        old_values_BT: of the critic at sampling time.
        returns_BT: the targets of the values.
        loss_mask_BT, weights_B: as in `clipped_policy_loss`.
        clip: how far a value may move from the old one.

    Raises:
        ValueError: if shapes disagree.
    """
    _require_shapes(values_BT, old_values_BT, returns_BT, loss_mask_BT, weights_B)
    zero = torch.zeros_like(values_BT)
    values_BT, old_values_BT, returns_BT = (
        torch.where(loss_mask_BT, tensor, zero) for tensor in (values_BT, old_values_BT, returns_BT)
    )
    near_BT = old_values_BT + (values_BT - old_values_BT).clamp(-clip, clip)
    error_BT, near_error_BT = (values_BT - returns_BT) ** 2, (near_BT - returns_BT) ** 2
    loss = _weighted_sum(torch.maximum(error_BT, near_error_BT), loss_mask_BT, weights_B) / 2
    beyond_BT = (values_BT - old_values_BT).abs() > clip
    return ValueLoss(loss, loss.detach(), (loss_mask_BT & beyond_BT & (near_error_BT > error_BT)).detach())
