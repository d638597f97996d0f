"""One optimiser step: scenarios, rollouts, scores, advantages, update. Every noun is a record; nothing is kept."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from envs.episode import Episode, FreeScenario, require_free
from reports.records import StepRow
from rewards.score import Score
from rl.advantages import GroupAdvantages, group_advantages
from rl.config import RunConfig
from rl.endings import NotFinite, RunStopped
from rl.parts import Parts
from rl.policy import Policy, collate, forward
from rl.streams import Stage, stream


@dataclass(frozen=True)
class Rollouts:
    """A step's training episodes, group by group, with their scores and advantages (one an episode, in order)."""

    episodes: list[Episode[FreeScenario]]
    scores: list[Score]
    advantages: NDArray[np.float64]


@dataclass(frozen=True)
class _Update:
    loss: float
    kl: float
    entropy: float
    clip_fraction: float
    grad_norm: float


def train_step(
    config: RunConfig, parts: Parts, policy: Policy, reference: Policy, optimizer: torch.optim.Optimizer, step: int
) -> tuple[StepRow, Rollouts]:
    """Takes one step and returns its record and rollouts; `seconds_probe` is left at 0 for the loop to fill.

    Raises:
        RunStopped: too many reward errors, no gradient at the first step, or (NotFinite) a loss or gradient that isn't.
    """
    clock = [time.perf_counter()]
    scenarios = parts.env.training_scenarios(
        stream(config.seed, step, Stage.scenarios), config.algorithm.prompts_per_step
    )
    grouped = [scenario for scenario in scenarios for _ in range(config.algorithm.group_size)]
    episodes = parts.generate(grouped, stream(config.seed, step, Stage.rollout))
    clock.append(time.perf_counter())
    scores = parts.reward(episodes)
    group = _advantages(config, parts, episodes, scores, step)
    clock.append(time.perf_counter())
    advantages = group.advantages_PG.reshape(-1)
    done = _update(config, parts, policy, reference, optimizer, episodes, advantages, step)
    clock.append(time.perf_counter())
    tokens = int(sum(len(episode.completion_ids) for episode in episodes))
    seconds = np.diff(clock)
    known = [score.total for score in scores if score.total is not None]
    row = StepRow(
        step=step,
        seed=config.seed,
        loss=done.loss,
        reward_mean=float(np.mean(known)) if known else None,
        reward_std=float(np.std(known)) if known else None,
        kl=done.kl if config.algorithm.kl_weight > 0 else None,
        entropy=done.entropy,
        grad_norm=done.grad_norm,
        lr=learning_rate(config, step),
        frac_degenerate_groups=float(group.degenerate_P.mean()),
        left_out_groups=int(group.left_out_P.sum()),
        reward_error_rate=1 - len(known) / len(scores),
        clip_fraction=done.clip_fraction,
        parse_rate=float(np.mean([episode.parse_ok for episode in episodes])),
        generated_tokens=tokens,
        tokens_per_s=tokens / float(seconds[0]),
        seconds_rollout=float(seconds[0]),
        seconds_reward=float(seconds[1]),
        seconds_update=float(seconds[2]),
        seconds_probe=0.0,
        components=_components(scores),
    )
    return row, Rollouts(episodes, scores, advantages)


def learning_rate(config: RunConfig, step: int) -> float:
    """Linear warm-up, then constant; `step` counts from 1."""
    return config.optimiser.learning_rate * min(1.0, step / max(config.optimiser.warmup_steps, 1))


def _components(scores: Sequence[Score]) -> dict[str, tuple[float | None, float | None]]:
    found: dict[str, tuple[float | None, float | None]] = {}
    for kind in scores[0].components:
        values = [value for score in scores if (value := score.components[kind]) is not None]
        found[kind] = (float(np.mean(values)), float(np.std(values))) if values else (None, None)
    return found


def _advantages(
    config: RunConfig, parts: Parts, episodes: Sequence[Episode[FreeScenario]], scores: Sequence[Score], step: int
) -> GroupAdvantages:
    errors = [score.error for score in scores if score.total is None]
    if len(errors) > config.max_reward_error_rate * len(scores):
        raise RunStopped(
            f"step {step}: {len(errors)} of {len(scores)} episodes are unscored, more than "
            f"max_reward_error_rate={config.max_reward_error_rate:g} allows; the first reason: {errors[0]}"
        )
    kept = parts.screen(episodes, scores)
    rewards = [
        score.total if score.total is not None and keep else math.nan for score, keep in zip(scores, kept, strict=True)
    ]
    rewards_PG = np.array(rewards, dtype=np.float64).reshape(-1, config.algorithm.group_size)
    group = group_advantages(rewards_PG, min_std=config.algorithm.min_group_std)
    if step == 1 and bool((group.degenerate_P | group.left_out_P).all()):
        raise RunStopped(
            f"group-normalised RL has no gradient here: in each of the {len(rewards_PG)} groups of the first step the "
            f"{config.algorithm.group_size} rewards are alike (standard deviation at most "
            f"{config.algorithm.min_group_std:g}), so every advantage is 0. The policy answers all alike, perhaps it "
            "always refuses: start from an organism that sometimes complies, or raise algorithm.group_size"
        )
    return group


def _update(
    config: RunConfig,
    parts: Parts,
    policy: Policy,
    reference: Policy,
    optimizer: torch.optim.Optimizer,
    episodes: Sequence[Episode[FreeScenario]],
    advantages: NDArray[np.float64],
    step: int,
) -> _Update:
    """Accumulates the gradient over minibatches of similar length, clips it, and steps the optimiser once."""
    require_free(episodes)
    size = config.optimiser.minibatch_size
    order = sorted(range(len(episodes)), key=lambda i: len(episodes[i].completion_ids))
    optimizer.zero_grad(set_to_none=True)
    sums = dict.fromkeys(("loss", "kl", "clipped", "entropy", "tokens"), 0.0)
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        _accumulate(config, parts, policy, reference, [episodes[i] for i in rows], advantages[rows], len(order), sums)
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    norm = float(torch.nn.utils.clip_grad_norm_(parameters, config.optimiser.max_grad_norm))
    if not math.isfinite(sums["loss"]) or not math.isfinite(norm):
        optimizer.zero_grad(set_to_none=True)
        raise NotFinite(
            f"step {step}: the loss ({sums['loss']}) or the gradient norm ({norm}) isn't finite. The weights are those "
            f"of step {step - 1}: lower optimiser.learning_rate or raise algorithm.kl_weight"
        )
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(config, step)
    optimizer.step()
    tokens = max(sums["tokens"], 1.0)
    return _Update(sums["loss"], sums["kl"] / tokens, sums["entropy"] / tokens, sums["clipped"] / tokens, norm)


def _accumulate(
    config: RunConfig,
    parts: Parts,
    policy: Policy,
    reference: Policy,
    episodes: Sequence[Episode[FreeScenario]],
    advantages: NDArray[np.float64],
    batch_completions: int,
    sums: dict[str, float],
) -> None:
    """Forward and backward over one minibatch; adds to `sums`."""
    pad = policy.tokenizer.pad_token_id or 0
    batch = collate(episodes, pad, policy.device)
    shape = batch.completion_mask_BT.shape
    sampled, credit = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=bool)
    for row, episode in enumerate(episodes):
        sampled[row, : len(episode.logprobs)] = episode.logprobs
        credit[row, : len(episode.completion_ids)] = parts.credit(episode)
    read = forward(policy.model, batch, config.sampling.temperature)
    logprobs_BT, entropy_BT = read.logprobs_BT, read.entropy_BT
    reference_BT: Any = None
    if config.algorithm.kl_weight > 0:
        with torch.no_grad():
            reference_BT = forward(reference.model, batch, config.sampling.temperature).logprobs_BT
    credit_BT = torch.from_numpy(credit).to(policy.device)
    found = parts.loss(
        logprobs_BT,
        torch.from_numpy(sampled).to(policy.device),
        reference_BT,
        torch.tensor(advantages, dtype=logprobs_BT.dtype, device=policy.device),
        credit_BT,
        batch_completions,
    )
    found.loss.backward()
    sums["loss"] += float(found.loss.detach())
    sums["kl"] += float(found.kl_sum)
    sums["clipped"] += float(found.clipped_sum)
    sums["entropy"] += float((entropy_BT * credit_BT).sum())
    sums["tokens"] += float(found.tokens)
