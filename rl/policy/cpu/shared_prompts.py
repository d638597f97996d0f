"""Attention of one new token a row over prompts that are kept once, however many rows continue them.

The rows of a prompt attend to its keys together, by one product; their own tokens are kept row by row. The softmax goes
over both parts. So the keys of a prompt are read once a token and not once a row.

Dimension suffixes: N rows, U prompts, G rows of a prompt (padded to the most), K key-value heads, R query heads of
each, P prompt positions (padded left), T positions behind the prompt, D head size.
"""

import torch
from transformers import DynamicCache


class SharedPrompts:
    """Keys and values of prompts, and of each row's own tokens, with room for `limit` tokens a row."""

    def __init__(self, cache: DynamicCache, mask_UP: torch.Tensor, prompt_of_N: torch.Tensor, limit: int) -> None:
        self._prompts = [(layer.keys, layer.values) for layer in cache.layers]
        self._mask_UP, self._prompt_of_N = mask_UP, prompt_of_N
        rows = len(prompt_of_N)
        self._own = [
            tuple(keys.new_empty(rows, keys.shape[1], limit, keys.shape[3]) for _ in range(2))
            for keys, _ in self._prompts
        ]
        self._filled = 0
        self._arrange()

    def _arrange(self) -> None:
        """Give each row a place among the rows of its prompt, and leave out prompts without a row."""
        left, inverse_N, counts_U = torch.unique(self._prompt_of_N, return_inverse=True, return_counts=True)
        if len(left) < len(self._mask_UP):
            self._prompts = [(keys[left], values[left]) for keys, values in self._prompts]
            self._mask_UP, self._prompt_of_N = self._mask_UP[left], inverse_N
        self._most = int(counts_U.max())
        order_N = torch.argsort(self._prompt_of_N, stable=True)
        starts_U = counts_U.cumsum(0) - counts_U
        place_N = torch.empty_like(order_N)
        place_N[order_N] = torch.arange(len(order_N)) - starts_U[self._prompt_of_N[order_N]]
        self._slot_N = self._prompt_of_N * self._most + place_N
        regular = len(self._slot_N) == len(left) * self._most
        self._in_order = regular and bool((self._slot_N == torch.arange(len(self._slot_N))).all())
        padded = (self._mask_UP == 0)[:, None, None, :]
        self._hidden_UP = padded if bool(padded.any()) else None

    def advance(self) -> None:
        """Make the next token's place in each row's own part."""
        self._filled += 1

    def keep(self, rows: torch.Tensor) -> None:
        """Drop all rows but these, which are in ascending order."""
        filled = self._filled
        for buffers in self._own:
            for buffer in buffers:
                buffer[: len(rows), :, :filled] = buffer[rows, :, :filled]
        self._own = [tuple(buffer[: len(rows)] for buffer in buffers) for buffers in self._own]
        self._prompt_of_N = self._prompt_of_N[rows]
        self._arrange()

    def attend(
        self, index: int, query_NKRD: torch.Tensor, key_NKD: torch.Tensor, value_NKD: torch.Tensor
    ) -> torch.Tensor:
        """Store the new token of layer `index` and attend to all before it, (N, K, R, D).

        The queries are scaled already.
        """
        own_keys, own_values = (buffer[:, :, : self._filled] for buffer in self._own[index])
        own_keys[:, :, -1], own_values[:, :, -1] = key_NKD, value_NKD
        keys, values = self._prompts[index]
        scores_UKQP = torch.matmul(self._together(query_NKRD), keys.transpose(2, 3))
        if self._hidden_UP is not None:
            scores_UKQP.masked_fill_(self._hidden_UP, -torch.inf)
        own_NKRT = torch.matmul(query_NKRD, own_keys.transpose(2, 3))
        scores = torch.cat([self._apart(scores_UKQP), own_NKRT], dim=-1)
        weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(values.dtype)
        length = keys.shape[2]
        found_UKQD = torch.matmul(self._together(weights[..., :length]), values)
        return self._apart(found_UKQD) + torch.matmul(weights[..., length:], own_values)

    def _together(self, x_NKRX: torch.Tensor) -> torch.Tensor:
        """Put the rows of each prompt behind each other, (U, K, G * R, X)."""
        _, heads, each, width = x_NKRX.shape
        prompts = len(self._mask_UP)
        if not self._in_order:
            placed = x_NKRX.new_zeros(prompts * self._most, heads, each, width)
            x_NKRX = placed.index_copy_(0, self._slot_N, x_NKRX)
        return (
            x_NKRX.view(prompts, self._most, heads, each, width)
            .transpose(1, 2)
            .reshape(prompts, heads, self._most * each, width)
        )

    def _apart(self, x_UKQX: torch.Tensor) -> torch.Tensor:
        """Return to one row a completion, (N, K, R, X)."""
        prompts, heads, both, width = x_UKQX.shape
        apart = (
            x_UKQX.view(prompts, heads, self._most, both // self._most, width)
            .transpose(1, 2)
            .reshape(prompts * self._most, heads, both // self._most, width)
        )
        return apart if self._in_order else apart[self._slot_N]
