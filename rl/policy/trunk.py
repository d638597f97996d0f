"""Outputs of the lower layers that policy and reference have in common, computed once for both.

Where only upper layers are trained, the frozen ones say the same in either model. The reference's passes record the
last common layer's output for each prompt and each completion, and the policy's passes begin there. Exact: a state is
read behind the same tokens by the same weights.

Dimension suffixes: B rows of a pass, S positions, H hidden size.
"""

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from rl.policy.policy import Policy
from rl.policy.residual_stream import decoder_layers


@dataclass(frozen=True)
class Trunk:
    """The output of the last of `layers` common layers, by prompt and by completion, without padding."""

    layers: int
    states: dict[Hashable, torch.Tensor] = field(default_factory=dict, repr=False)

    @contextmanager
    def around(self, model: Any, keys: Sequence[Hashable], mask_BS: torch.Tensor) -> Iterator[None]:
        """Record the states of these rows while the block runs, or begin at them if all are known."""
        known = all(key in self.states for key in keys)
        with self._beginning(model, keys, mask_BS) if known else self._recording(model, keys, mask_BS):
            yield

    @contextmanager
    def _recording(self, model: Any, keys: Sequence[Hashable], mask_BS: torch.Tensor) -> Iterator[None]:
        def note(module: torch.nn.Module, given: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor):  # layers that return more are read anew
                rows = zip(keys, output.detach(), mask_BS.bool(), strict=True)
                self.states.update({key: state_SH[mask_S].clone() for key, state_SH, mask_S in rows})

        handle = decoder_layers(model)[self.layers - 1].register_forward_hook(note)
        try:
            yield
        finally:
            handle.remove()

    @contextmanager
    def _beginning(self, model: Any, keys: Sequence[Hashable], mask_BS: torch.Tensor) -> Iterator[None]:
        layers = decoder_layers(model)
        kept = [self.states[key] for key in keys]
        state_BSH = kept[0].new_zeros(*mask_BS.shape, kept[0].shape[-1])
        state_BSH[mask_BS.bool()] = torch.cat(kept)
        replaced = list(layers[: self.layers])
        for index, layer in enumerate(replaced):
            layers[index] = _Passed(layer, index, state_BSH)
        try:
            yield
        finally:
            for index, layer in enumerate(replaced):
                layers[index] = layer


class _Passed(torch.nn.Module):
    """Stands for a layer whose output is known; its cache holds places without content."""

    def __init__(self, layer: torch.nn.Module, index: int, state_BSH: torch.Tensor) -> None:
        super().__init__()
        self.attention_type = getattr(layer, "attention_type", None)
        self._index, self._state_BSH = index, state_BSH

    def forward(self, hidden_states: torch.Tensor, *_: Any, past_key_values: Any = None, **__: Any) -> torch.Tensor:
        if past_key_values is not None:
            places = hidden_states.new_zeros(*hidden_states.shape[:1], 1, hidden_states.shape[1], 1)
            past_key_values.update(places, places, self._index)
        return self._state_BSH


def common_trunk(policy: Policy, reference: Policy) -> Trunk | None:
    """Find the lowest layers that are frozen and alike in both models, or None.

    The last layer is never among them. Layers with hooks, such as those of steering, aren't either.
    """
    plain = policy.shortcuts.shares_prompts and reference.shortcuts.shares_prompts
    if not plain or type(policy.model) is not type(reference.model):
        return None
    if not _alike(policy.model.get_input_embeddings(), reference.model.get_input_embeddings()):
        return None
    try:
        pairs = list(zip(decoder_layers(policy.model), decoder_layers(reference.model), strict=True))[:-1]
    except ValueError:
        return None
    count = 0
    for own, other in pairs:
        if not _alike(own, other):
            break
        count += 1
    return Trunk(count) if count else None


def _alike(own: torch.nn.Module, other: torch.nn.Module) -> bool:
    """Tell whether a module is frozen, without hooks, and has the other's weights bit by bit.

    Buffers and configuration aren't compared: both models come from one directory.
    """
    if any(parameter.requires_grad for parameter in own.parameters()):
        return False
    if any(module._forward_hooks or module._forward_pre_hooks for module in (*own.modules(), *other.modules())):
        return False
    mine, theirs = dict(own.named_parameters()), dict(other.named_parameters())
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)
