"""Floating-point operations of a step: the executed ones, counted, and the necessary ones, computed.

A multiplication and an addition are two. Only matrix products count: the rest of a step's arithmetic is far less.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from envs.episode import Episode, FreeScenario
from rewards.score import RewardFunction
from rl.algorithms.policy_gradient import PolicyGradient
from rl.run.config import RunConfig
from rl.training.scoring import reward_input

_aten = torch.ops.aten


@dataclass(frozen=True)
class Operations:
    """Floating-point operations of one step, by part.

    Generating and reading replies belongs to the rollout.
    """

    rollout: int
    reward: int
    update: int

    @property
    def total(self) -> int:
        """Operations of the whole step."""
        return self.rollout + self.reward + self.update


def counter() -> FlopCounterMode:
    """Build a counter that also knows the CPU's attention and oneDNN's linear layers.

    PyTorch's own counter leaves both out.
    """
    return FlopCounterMode(
        display=False,
        custom_mapping={
            torch.ops.mkldnn._linear_pointwise: _linear,
            _aten._scaled_dot_product_flash_attention_for_cpu: _attention,
            _aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
        },
    )


def _linear(x: Sequence[int], weight: Sequence[int], *_: Any, **__: Any) -> int:
    """Count a linear layer from the shapes (..., inputs) and (outputs, inputs)."""
    return 2 * prod(x) * weight[0]


def _attention(query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: Any, **__: Any) -> int:
    """Count attention, scores and the weighted sum of values, from the shapes (batch, heads, positions, width)."""
    rows, heads, queries, width = query
    return 2 * rows * heads * queries * key[2] * (width + value[3])


def _attention_backward(
    grad: Sequence[int], query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: Any, **__: Any
) -> int:
    """Count the backward pass of attention.

    The scores are computed again, then the gradients of scores, values, queries and keys: five products for the
    forward's two.
    """
    return _attention(query, key, value) * 5 // 2


def reward_operations(rewards: Sequence[RewardFunction], episodes: Sequence[Episode[FreeScenario]]) -> int:
    """Count the operations of scoring, by scoring the episodes again.

    A run scores in a thread, where the counter sees nothing.
    """
    reward_inputs = [reward_input(episode) for episode in episodes]
    with counter() as counted:
        for reward in rewards:
            reward(reward_inputs)
    return counted.get_total_flops()


def necessary_operations(
    config: RunConfig, model: Any, episodes: Sequence[Episode[FreeScenario]], reward: int
) -> Operations:
    """Compute the operations that any engine needs for these completions.

    Each prompt is read once, nothing is padded, and nothing is computed twice. Rollout: one forward pass. Update:
    forward and backward (twice the forward) a gradient step on them, and a forward pass of the reference under a KL
    penalty. `reward` is taken as counted.
    """
    assert isinstance(config.algorithm, PolicyGradient)
    forward = forward_operations(model, episodes)
    reference = forward if config.algorithm.kl_weight > 0 else 0
    return Operations(forward, reward, 3 * forward * config.algorithm.epochs + reference)


def forward_operations(model: Any, episodes: Sequence[Episode[FreeScenario]]) -> int:
    """Compute the operations of one forward pass over prompts and completions; each distinct prompt is read once.

    The pass gives every completion token its probability. A token costs two operations for each weight of every matrix
    in its path. In each layer it costs four times the attention's width for each position that it sees.
    """
    weights = {name: module.weight.numel() for name, module in model.named_modules() if _is_matrix(module)}
    head = weights.pop("lm_head", 0)
    body = sum(weights.values())
    settings = model.config.get_text_config()
    seen = 4 * settings.num_hidden_layers * settings.num_attention_heads * settings.head_dim
    prompts = {episode.prompt_ids.tobytes(): len(episode.prompt_ids) for episode in episodes}
    total = sum(2 * body * n + seen * _positions_seen(0, n) for n in prompts.values())
    for episode in episodes:
        n, before = len(episode.completion_ids), len(episode.prompt_ids)
        # The last token is predicted and never read.
        total += 2 * head * n + 2 * body * (n - 1) + seen * _positions_seen(before, n - 1)
    return total


def _is_matrix(module: Any) -> bool:
    return isinstance(module, torch.nn.Linear)


def _positions_seen(before: int, n: int) -> int:
    """Count the positions that `n` tokens see in total.

    Each token sees itself, the tokens before it, and the `before` positions in front of them all.
    """
    return n * before + n * (n + 1) // 2
