"""The policy loss: clipped objective, KL penalty and credit mask over tokens. Pure, tensors in and out.

Dimension suffixes: B completions, T completion tokens (padded right).
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class LossParts:
    """Sums and counts over one minibatch, so that minibatches of different lengths add up to the batch's own loss.

    `loss` is the minibatch's share of the batch loss and carries the gradient; the rest are detached sums over
    credited tokens (`kl_sum`, `clipped_sum`, in nats and counts) and their number.
    """

    loss: Tensor
    kl_sum: Tensor
    clipped_sum: Tensor
    tokens: Tensor


def k3(logprobs_BT: Tensor, reference_BT: Tensor) -> Tensor:
    """Unbiased, non-negative estimate of KL(policy || reference) per token, in nats: r - 1 - log r, r = ref / policy.

    Source: Schulman 2020, "Approximating KL divergence"; Shao et al. 2024, equation 4.
    """
    log_ratio_BT = reference_BT - logprobs_BT
    return log_ratio_BT.exp() - 1 - log_ratio_BT


def grpo_loss(
    logprobs_BT: Tensor,
    sampled_logprobs_BT: Tensor,
    reference_logprobs_BT: Tensor | None,
    advantages_B: Tensor,
    credit_BT: Tensor,
    batch_completions: int,
    clip: float,
    kl_weight: float,
) -> LossParts:
    """GRPO's clipped objective with the KL penalty in the loss, averaged over tokens, then over completions.

    Source: Shao et al. 2024, "DeepSeekMath", equation 3 (equation 21 for the gradient); the clip is that of Schulman
    et al. 2017, equation 7.

    Args:
        logprobs_BT: of the policy that is updated; carries the gradient.
        sampled_logprobs_BT: of the policy that sampled.
        reference_logprobs_BT: of the frozen start, or None where `kl_weight` is 0.
        advantages_B: one advantage a completion.
        credit_BT: which tokens are trained on; a completion without any contributes nothing.
        batch_completions: completions in the whole batch, the divisor.
        clip: how far the ratio may go from 1 before the gradient stops.
        kl_weight: weight of the k3 penalty.

    Raises:
        ValueError: if shapes disagree, or a KL weight comes without reference log-probabilities.
    """
    if (
        not logprobs_BT.shape == sampled_logprobs_BT.shape == credit_BT.shape
        or advantages_B.shape != credit_BT.shape[:1]
    ):
        raise ValueError(
            f"shapes disagree: logprobs {tuple(logprobs_BT.shape)}, sampled {tuple(sampled_logprobs_BT.shape)}, "
            f"credit {tuple(credit_BT.shape)}, advantages {tuple(advantages_B.shape)}"
        )
    if reference_logprobs_BT is not None and reference_logprobs_BT.shape != logprobs_BT.shape:
        raise ValueError(
            f"shapes disagree: reference {tuple(reference_logprobs_BT.shape)}, logprobs {tuple(logprobs_BT.shape)}"
        )
    if kl_weight > 0 and reference_logprobs_BT is None:
        raise ValueError("a KL weight above 0 needs the reference's log-probabilities")
    credit_BT = credit_BT.to(logprobs_BT.dtype)
    # Padding holds meaningless values, which may overflow: the ratio there is set to 1 before anything is multiplied.
    log_ratio_BT = torch.where(credit_BT > 0, logprobs_BT - sampled_logprobs_BT, torch.zeros_like(logprobs_BT))
    ratio_BT = log_ratio_BT.exp()
    advantages_B1 = advantages_B.unsqueeze(1)
    gain_BT = torch.minimum(ratio_BT * advantages_B1, ratio_BT.clamp(1 - clip, 1 + clip) * advantages_B1)
    per_token_BT = -gain_BT
    kl_BT = torch.zeros_like(logprobs_BT)
    if reference_logprobs_BT is not None:
        kl_BT = k3(torch.where(credit_BT > 0, logprobs_BT, 0.0), torch.where(credit_BT > 0, reference_logprobs_BT, 0.0))
        per_token_BT = per_token_BT + kl_weight * kl_BT
    tokens_B = credit_BT.sum(dim=1)
    per_completion_B = (per_token_BT * credit_BT).sum(dim=1) / tokens_B.clamp(min=1)
    clipped_BT = (ratio_BT - 1).abs() > clip
    return LossParts(
        loss=per_completion_B.sum() / batch_completions,
        kl_sum=(kl_BT.detach() * credit_BT).sum(),
        clipped_sum=(clipped_BT * credit_BT).sum(),
        tokens=tokens_B.sum(),
    )
