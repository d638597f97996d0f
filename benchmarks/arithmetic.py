"""The floating-point operations of a step: those that it executes, counted; and those that it can't do without.

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
    """Floating-point operations of one step, by part; generating and reading replies is the rollout's."""

    rollout: int
    reward: int
    update: int

    @property
    def total(self) -> int:
        """Of the whole step."""
        return self.rollout + self.reward + self.update


def counter() -> FlopCounterMode:
    """A counter that knows the CPU's attention and oneDNN's linear layers as well, which PyTorch's own leaves out."""
    return FlopCounterMode(
        display=False,
        custom_mapping={
            torch.ops.mkldnn._linear_pointwise: _linear,
            _aten._scaled_dot_product_flash_attention_for_cpu: _attention,
            _aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
        },
    )


def _linear(x: Sequence[int], weight: Sequence[int], *_: Any, **__: Any) -> int:
    """From the shapes (..., inputs) and (outputs, inputs)."""
    return 2 * prod(x) * weight[0]


def _attention(query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: Any, **__: Any) -> int:
    """From the shapes (batch, heads, positions, width): scores, and the weighted sum of the values."""
    rows, heads, queries, width = query
    return 2 * rows * heads * queries * key[2] * (width + value[3])


def _attention_backward(
    grad: Sequence[int], query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: Any, **__: Any
) -> int:
    """Scores again, then the gradients of scores, values, queries and keys: five products for the forward's two."""
    return _attention(query, key, value) * 5 // 2


def reward_operations(rewards: Sequence[RewardFunction], episodes: Sequence[Episode[FreeScenario]]) -> int:
    """What scoring executes, counted on a second scoring: a run scores in a thread, where no counter of ours looks."""
    reward_inputs = [reward_input(episode) for episode in episodes]
    with counter() as counted:
        for reward in rewards:
            reward(reward_inputs)
    return counted.get_total_flops()


def necessary_operations(
    config: RunConfig, model: Any, episodes: Sequence[Episode[FreeScenario]], reward: int
) -> Operations:
    """What any engine must do for these completions: each prompt once, nothing padded, nothing computed twice.

    Rollout: one forward pass. Update: forward and backward (twice the forward) a gradient step on them, and a forward
    pass of the reference where there is a KL penalty. `reward` is taken as counted.
    """
    assert isinstance(config.algorithm, PolicyGradient)
    forward = forward_operations(model, episodes)
    reference = forward if config.algorithm.kl_weight > 0 else 0
    return Operations(forward, reward, 3 * forward * config.algorithm.epochs + reference)


def forward_operations(model: Any, episodes: Sequence[Episode[FreeScenario]]) -> int:
    """One forward pass that gives every completion token its probability, each distinct prompt read once.

    A token costs two operations a weight of every matrix that it meets, and in each layer four times the attention's
    width for every position that it sees.
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
    """How many positions `n` tokens see between them, each itself and all before it, behind `before` others."""
    return n * before + n * (n + 1) // 2
