"""A cache of keys and values with room to grow.

A token is written in place; Transformers' own cache copies all earlier tokens. Dimension suffixes: N rows, K key-value
heads, S positions, D head size.
"""

from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

ROOM = 32  # positions by which a full layer grows: a smaller number copies more often, a larger one wastes memory


class RoomyLayer(DynamicLayer):
    """A `DynamicLayer` with spare positions.

    `keys` and `values` (N, K, S, D) are views of buffers with more positions.
    """

    def __init__(self, keys_NKSD: torch.Tensor, values_NKSD: torch.Tensor) -> None:
        super().__init__()
        self.lazy_initialization(keys_NKSD, values_NKSD)
        self.keys, self.values = keys_NKSD, values_NKSD
        self._buffers = (keys_NKSD, values_NKSD)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        start, end = self.keys.shape[-2], self.keys.shape[-2] + key_states.shape[-2]
        if end > self._buffers[0].shape[-2]:
            self._buffers = (_with_room(self.keys, end + ROOM), _with_room(self.values, end + ROOM))
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:, :, start:end] = states
        self.keys, self.values = (buffer[:, :, :end] for buffer in self._buffers)
        return self.keys, self.values

    def reorder_cache(self, beam_idx: torch.Tensor) -> None:
        """Keep these rows, which must be in ascending order."""
        rows, filled = len(beam_idx), self.keys.shape[-2]
        for buffer, states in zip(self._buffers, (self.keys, self.values), strict=True):
            buffer[:rows, :, :filled] = states[beam_idx]
        keys, values = self._buffers
        self._buffers = keys[:rows], values[:rows]
        self.keys, self.values = (buffer[:, :, :filled] for buffer in self._buffers)


def _with_room(states_NKSD: torch.Tensor, positions: int) -> torch.Tensor:
    rows, heads, filled, size = states_NKSD.shape
    buffer = states_NKSD.new_empty(rows, heads, positions, size)
    buffer[:, :, :filled] = states_NKSD
    return buffer


def make_room(cache: DynamicCache) -> None:
    """Make a filled cache writable in place.

    Layers other than plain attention stay as they are.
    """
    cache.layers = [
        RoomyLayer(layer.keys, layer.values) if type(layer) is DynamicLayer else layer for layer in cache.layers
    ]
