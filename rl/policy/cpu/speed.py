"""The switch of optional speed on a CPU: each function changes nothing where `on` is false.

With the switch off a policy is plain Transformers: the same distribution, another order of summation. Class swaps,
private operators of torch and the override of Transformers' attention stand in this folder and nowhere else. The rest
of the code reaches them through this module.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import DynamicCache

from rl.policy.cpu import decode_attention, decode_step, kv_cache, linear, shared_prompts

DecodeStep = decode_step.DecodeStep
CopiedPrompts = decode_step.CopiedPrompts
SharedPrompts = shared_prompts.SharedPrompts


def quicken(model: torch.nn.Module, on: bool) -> None:
    """Make the linear layers of a model multiply by oneDNN, where it is faster on this machine."""
    if on:
        linear.quicken(model)


@contextmanager
def decoding(model: Any, on: bool) -> Iterator[None]:
    """Use the attention of `decode_attention` for one new token a row while the block runs.

    Only models that use torch's `sdpa` are affected.
    """
    if not on:
        yield
        return
    with decode_attention.decoding(model):
        yield


def decode_step_of(model: Any, rows: int, on: bool, half: bool = False) -> DecodeStep | None:
    """Make a step that reads one token for each of `rows` rows in few operations; None for models unknown to it.

    `half`: its products are in bfloat16.
    """
    return decode_step.step_of(model, rows, half) if on else None


def shares_prompts(model: Any) -> bool:
    """Tell whether the rows of a prompt should share its keys in such a step; for a small model it doesn't pay."""
    return decode_step.shares_prompts(model)


def make_room(cache: DynamicCache, on: bool) -> None:
    """Make a filled cache writable in place; Transformers' own cache copies itself for every token."""
    if on:
        kv_cache.make_room(cache)


def unknown_attention(model: Any) -> str | None:
    """Return the name of a model's attention on the CPU that `decoding` leaves as it is, or None."""
    name = str(model.config._attn_implementation)
    on_cpu = next(model.parameters()).device.type == "cpu"
    return name if on_cpu and name != "sdpa" else None
