"""Attention of one new token a row, on the CPU: two batched products and a softmax between them.

torch's own kernel is made for many queries; with one query a row it takes up to twice as long on two threads. This
attention replaces Transformers' `sdpa` under the same name, so that models which look at the name behave as before.
Calls with unknown arguments go to the original, and models with another attention never use it.

Dimension suffixes: N rows, K key-value heads, R query heads of each, S positions, D head size.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

# Arguments without effect for one query a row: the mask already holds windows and causality.
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
    """Attend as `sdpa_attention_forward` does, for one query a row.

    query (N, K * R, 1, D), key and value (N, K, S, D); the result (N, 1, K * R, D). Any other call is left to
    `sdpa_attention_forward`.
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
    """Replace `sdpa` by `attend` while the block runs.

    Only a model on the CPU that uses torch's `sdpa` is affected.
    """
    if model.config._attn_implementation != "sdpa" or next(model.parameters()).device.type != "cpu":
        yield
        return
    ALL_ATTENTION_FUNCTIONS["sdpa"] = attend
    try:
        yield
    finally:
        del ALL_ATTENTION_FUNCTIONS["sdpa"]  # removes the override, so that the interface's own entry counts again
