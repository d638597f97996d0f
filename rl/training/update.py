"""The gradient steps of one batch: epochs x minibatches, each accumulated over forward passes of similar lengths.

Dimension suffixes: N completions of a step, B completions of a forward pass, T completion positions (padded right).
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from envs.episode import require_free
from rl.algorithms.losses import completion_weights, kl_estimates, kl_loss
from rl.algorithms.policy_gradient import PolicyGradient
from rl.errors import NotFinite
from rl.policy.logprobs import Pass, passes
from rl.streams import Stage, stream
from rl.training.components import StepComponents
from rl.training.experience import Experience
from rl.training.learner import Learner, critic_values, set_learning_rate, snapshot
from rl.training.measures import mismatch
from rl.training.settings import StepSettings


@dataclass(frozen=True)
class Update:
    """Measurements of a step's gradient steps: means over them, and over the tokens in the loss that were read.

    Completions without a gradient aren't read: see `_rows_that_teach`. `kl` is in nats per token. `mismatch` is that of
    `rl.training.measures`, over the completion tokens read for the first gradient step: later steps have other weights
    than the sampler had.
    """

    loss: float
    kl: float | None
    entropy: float
    clip_fraction_low: float
    clip_fraction_high: float
    ratio_mean: float
    ratio_max: float
    grad_norm: float
    gradient_steps: int
    mismatch: dict[str, float]
    value_loss: float | None
    value_clip_fraction: float | None
    auxiliary_loss: float | None


def update(
    settings: StepSettings,
    algorithm: PolicyGradient,
    components: StepComponents,
    learner: Learner,
    experience: Experience,
    step: int,
) -> Update:
    """Take every gradient step of this batch.

    Raises:
        NotFinite: at a loss or a gradient that isn't finite, before the weights are touched by it.
        ValueError: if an episode is not of the free tier.
    """
    require_free(experience.episodes)
    set_learning_rate(settings, learner, step)
    minibatches = _minibatches(settings, algorithm, len(experience.episodes), step)
    # One gradient step is refused before it touches a weight. Of several, those that were taken must be undone.
    undo = snapshot(learner) if len(minibatches) > 1 else None
    sums: Counter[str] = Counter()
    ratio_max, draws = 0.0, stream(settings.seed, step, Stage.auxiliary)
    norms: list[float] = []
    differences: list[NDArray[np.float64]] = []
    for minibatch in minibatches:
        learner.optimizer.zero_grad(set_to_none=True)
        before = sums["loss"]
        weights_N = _weights(settings, algorithm, experience, minibatch)
        for read in _passes(
            settings, learner, experience, _rows_that_teach(algorithm, components, experience, minibatch)
        ):
            batch = _microbatch(learner, experience, read, weights_N)
            if not norms:
                differences.append(_differences(batch))
            found, largest = _backward(algorithm, components, learner, batch)
            sums.update(found)
            ratio_max = max(ratio_max, largest)
        sums.update(_auxiliary(components, draws))
        try:
            norms.append(_take(settings, learner, sums["loss"] - before, step))
        except NotFinite:
            if undo is not None:
                undo()
            raise
    return _record(learner, experience, sums, ratio_max, norms, mismatch(np.concatenate(differences)))


def _minibatches(settings: StepSettings, algorithm: PolicyGradient, n: int, step: int) -> list[NDArray[np.int64]]:
    """List the rows of each gradient step; in order where the whole batch is one."""
    if algorithm.minibatches == 1:
        return [np.arange(n)] * algorithm.epochs
    rng = stream(settings.seed, step, Stage.minibatches)
    return [part for _ in range(algorithm.epochs) for part in np.split(rng.permutation(n), algorithm.minibatches)]


def _rows_that_teach(
    algorithm: PolicyGradient, components: StepComponents, experience: Experience, rows: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Select the rows that the gradient depends on: without critic and KL penalty in the loss, rows with an advantage.

    Exact: other rows add zeros, unless a mitigation has put another loss in the algorithm's place. Where no row has an
    advantage one is kept, so that the optimiser sees zeros and not nothing.
    """
    if (
        experience.reference_logprobs_NT is not None
        or experience.values_NT is not None
        or components.loss != algorithm.loss
    ):
        return rows
    teaching = (experience.advantages.advantages_NT[rows] != 0).any(axis=1)
    return rows[teaching] if teaching.any() else rows[:1]


def _passes(
    settings: StepSettings, learner: Learner, experience: Experience, rows: NDArray[np.int64]
) -> Iterator[Pass]:
    return passes(
        learner.policy,
        experience.episodes,
        rows.tolist(),
        settings.optimiser.microbatch_size,
        settings.sampling.temperature,
        hidden=learner.critic is not None,
        trunk=experience.trunk,
    )


def _weights(
    settings: StepSettings, algorithm: PolicyGradient, experience: Experience, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Compute the weight of a token of each completion in the gradient step of `rows`; 0 for other completions."""
    tokens = torch.from_numpy(experience.loss_mask_NT[rows].sum(axis=1).astype(np.float64))
    weights_N = np.zeros(len(experience.episodes))
    weights_N[rows] = completion_weights(tokens, algorithm.average, settings.sampling.max_new_tokens).numpy()
    return weights_N


@dataclass(frozen=True)
class _Microbatch:
    """One forward pass and the part of an experience that belongs to it, as tensors on the policy's device."""

    read: Pass
    sampled_logprobs_BT: torch.Tensor
    advantages_BT: torch.Tensor
    completion_BT: torch.Tensor
    loss_mask_BT: torch.Tensor
    weights_B: torch.Tensor
    reference_logprobs_BT: torch.Tensor | None
    values_BT: torch.Tensor | None
    returns_BT: torch.Tensor | None


def _microbatch(learner: Learner, experience: Experience, read: Pass, weights_N: NDArray[np.float64]) -> _Microbatch:
    width, device = read.logprobs_BT.shape[1], learner.policy.device

    def tensor(array_NT: NDArray[Any]) -> torch.Tensor:
        return torch.as_tensor(array_NT[read.rows, :width], dtype=read.logprobs_BT.dtype, device=device)

    def known(array_NT: NDArray[Any] | None) -> torch.Tensor | None:
        return None if array_NT is None else tensor(array_NT)

    return _Microbatch(
        read=read,
        sampled_logprobs_BT=tensor(experience.sampled_logprobs_NT),
        advantages_BT=tensor(experience.advantages.advantages_NT),
        completion_BT=tensor(experience.completion_NT).bool(),
        loss_mask_BT=tensor(experience.loss_mask_NT).bool(),
        weights_B=torch.as_tensor(weights_N[read.rows], dtype=read.logprobs_BT.dtype, device=device),
        reference_logprobs_BT=known(experience.reference_logprobs_NT),
        values_BT=known(experience.values_NT),
        returns_BT=known(experience.advantages.returns_NT),
    )


def _differences(batch: _Microbatch) -> NDArray[np.float64]:
    """Subtract the sampler's log-probability of each completion token from the learner's, in nats."""
    differences_BT = batch.read.logprobs_BT.detach() - batch.sampled_logprobs_BT
    return differences_BT[batch.completion_BT].double().cpu().numpy()


def _backward(
    algorithm: PolicyGradient, components: StepComponents, learner: Learner, batch: _Microbatch
) -> tuple[dict[str, float], float]:
    """Add one micro-batch's gradient; return sums over tokens in the loss (KL: all tokens) and the largest ratio."""
    logprobs_BT, loss_mask_BT, weights_B = batch.read.logprobs_BT, batch.loss_mask_BT, batch.weights_B
    policy = components.loss(logprobs_BT, batch.sampled_logprobs_BT, batch.advantages_BT, loss_mask_BT, weights_B)
    loss = policy.loss
    sums: dict[str, float] = {}
    if batch.reference_logprobs_BT is not None and algorithm.kl_in == "loss":
        # Estimated on every token, so that it means the same under every mask; the penalty is on tokens in the loss.
        kl_BT = kl_estimates(logprobs_BT, batch.reference_logprobs_BT, batch.completion_BT, algorithm.kl_estimator)
        loss = loss + algorithm.kl_weight * kl_loss(kl_BT, loss_mask_BT, weights_B)
        sums |= {"kl": float(kl_BT.detach().sum()), "completion_tokens": float(batch.completion_BT.sum())}
    if learner.critic is not None:
        assert batch.read.hidden_BTH is not None
        assert batch.values_BT is not None
        assert batch.returns_BT is not None
        now_BT = critic_values(learner.critic, batch.read.hidden_BTH)
        value = algorithm.critic_loss(now_BT, batch.values_BT, batch.returns_BT, loss_mask_BT, weights_B)
        loss = loss + value.loss
        sums |= {"value_loss": float(value.error), "value_clipped": float(value.clipped_BT.sum())}
    loss.backward()
    assert batch.read.entropy_BT is not None
    ratio_BT = torch.where(loss_mask_BT, policy.ratio_BT, 0.0)
    sums |= {
        "loss": float(loss.detach()),
        "entropy": float((batch.read.entropy_BT * loss_mask_BT).sum()),
        "clipped_low": float(policy.clipped_low_BT.sum()),
        "clipped_high": float(policy.clipped_high_BT.sum()),
        "ratio": float(ratio_BT.sum()),
        "tokens": float(loss_mask_BT.sum()),
    }
    return sums, float(ratio_BT.max())


def _auxiliary(components: StepComponents, rng: np.random.Generator) -> dict[str, float]:
    """Add the gradient of the mitigations' terms of the loss; return their sums."""
    found = 0.0
    for term in components.auxiliary:
        loss = term(rng)
        loss.backward()
        found += float(loss.detach())
    return {"loss": found, "auxiliary": found} if components.auxiliary else {}


def _take(settings: StepSettings, learner: Learner, loss: float, step: int) -> float:
    """Clip the accumulated gradient and step the optimiser; return the norm before clipping.

    Raises:
        NotFinite: as `update`.
    """
    optimizer = learner.optimizer
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    norm = float(torch.nn.utils.clip_grad_norm_(parameters, settings.optimiser.max_grad_norm))
    if not math.isfinite(loss) or not math.isfinite(norm):
        optimizer.zero_grad(set_to_none=True)
        raise NotFinite(
            f"step {step}: the loss ({loss}) or the gradient norm ({norm}) isn't finite. The weights are those "
            f"of step {step - 1}: lower optimiser.learning_rate or raise algorithm.kl_weight"
        )
    optimizer.step()
    return norm


def _record(
    learner: Learner,
    experience: Experience,
    sums: Counter[str],
    ratio_max: float,
    norms: Sequence[float],
    mismatched: dict[str, float],
) -> Update:
    tokens, steps = max(sums["tokens"], 1.0), len(norms)
    kl: float | None = sums["kl"] / max(sums["completion_tokens"], 1.0) if "kl" in sums else None
    if experience.kl_NT is not None:
        kl = float(experience.kl_NT.sum() / max(experience.completion_NT.sum(), 1))
    return Update(
        loss=sums["loss"] / steps,
        kl=kl,
        entropy=sums["entropy"] / tokens,
        clip_fraction_low=sums["clipped_low"] / tokens,
        clip_fraction_high=sums["clipped_high"] / tokens,
        ratio_mean=sums["ratio"] / tokens,
        ratio_max=ratio_max,
        grad_norm=float(np.mean(norms)),
        gradient_steps=steps,
        mismatch=mismatched,
        value_loss=sums["value_loss"] / steps if learner.critic is not None else None,
        value_clip_fraction=sums["value_clipped"] / tokens if learner.critic is not None else None,
        auxiliary_loss=sums["auxiliary"] / steps if "auxiliary" in sums else None,
    )
