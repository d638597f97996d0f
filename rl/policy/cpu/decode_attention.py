"""Attention of one new token a row, on the CPU: two batched products and a softmax between them.

The kernel that torch takes there is made for many queries; with one a row it takes up to twice as long on two threads.
It stands in for Transformers' `sdpa` and keeps its name, so that models which look at that name do as they did; what
it doesn't know it leaves to the original, and models that attend otherwise never meet it.

Dimension suffixes: N rows, K key-value heads, R query heads of each, S positions, D head size.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

# What models hand on that changes nothing for one query a row: the mask has seen to windows and to causality.
KNOWN = frozenset({"is_causal", "sliding_window", "position_ids", "use_cache", "cache_position", "logits_to_keep"})


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """As `sdpa_attention_forward`: query (N, K * R, 1, D), key and value (N, K, S, D); the result (N, 1, K * R, D).

    What is more than that, or isn't known here, is left to it.
    """
    plain = all(name in KNOWN or value is None or value is False for name, value in others.items())
    masked = attention_mask is not None and attention_mask.dtype == torch.bool and attention_mask.shape[1] == 1
    if query.shape[2] != 1 or not query.is_cpu or not masked or not plain or dropout > 0:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **others)
    assert attention_mask is not None
    rows, heads, _, size = query.shape
    scale = size**-0.5 if scaling is None else scaling
    query_NKRD = query.reshape(rows, key.shape[1], heads // key.shape[1], size) * scale
    scores_NKRS = torch.matmul(query_NKRD, key.transpose(2, 3)).masked_fill_(~attention_mask, -torch.inf)
    output_NKRD = torch.matmul(torch.softmax(scores_NKRS, dim=-1), value)
    return output_NKRD.reshape(rows, 1, heads, value.shape[-1]), None


@contextmanager
def decoding(model: Any) -> Iterator[None]:
    """Within the block a model on the CPU that uses torch's `sdpa` attends by `attend`."""
    if model.config._attn_implementation != "sdpa" or next(model.parameters()).device.type != "cpu":
        yield
        return
    ALL_ATTENTION_FUNCTIONS["sdpa"] = attend
    try:
        yield
    finally:
        del ALL_ATTENTION_FUNCTIONS["sdpa"]  # the override; the interface's own entry is there again
