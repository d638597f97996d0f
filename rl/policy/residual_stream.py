"""The residual stream of any Transformers decoder: finding its layers, reading a layer's output, adding to it.

Dimension suffixes: B rows, P prompt positions (padded left), H hidden size.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from envs.episode import Scenario
from rl.policy.policy import Policy, batches, pad_left, without_adapter


def layer_count(model: Any) -> int:
    """Return the number of decoder layers of a causal LM by its configuration."""
    return int(model.config.get_text_config().num_hidden_layers)


def decoder_layers(model: Any) -> torch.nn.ModuleList:
    """Return the decoder layers of a causal LM, in order, with or without an adapter.

    Raises:
        ValueError: if the model has no module list with as many modules as its configuration has layers.
    """
    base = without_adapter(model)
    count = layer_count(base)
    # The outermost list comes first: lists inside a layer (of experts, say) come after it.
    for module in base.get_decoder().modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == count:
            return module
    raise ValueError(
        f"{type(base).__name__} has no list of {count} decoder layers to steer at: leave steering out, or train a "
        "model that has one"
    )


def decoder_layer(model: Any, layer: int | None) -> torch.nn.Module:
    """Return one decoder layer, counted from 0; None chooses the last layer of the first half.

    Raises:
        ValueError: if there are fewer layers, or none are found.
    """
    layers = decoder_layers(model)
    chosen = (len(layers) - 1) // 2 if layer is None else layer
    if chosen >= len(layers):
        raise ValueError(f"there is no layer {layer} to steer at: choose one of 0 to {len(layers) - 1}, or null")
    return layers[chosen]


@contextmanager
def adding(layer: torch.nn.Module, vector_H: torch.Tensor) -> Iterator[None]:
    """Add the vector to the layer's output at every position while the block runs.

    Gradients pass through.
    """

    def add(module: torch.nn.Module, given: Any, output: Any) -> Any:
        if isinstance(output, tuple):  # some layers return more than the stream, which comes first
            return (output[0] + vector_H.to(output[0]), *output[1:])
        return output + vector_H.to(output)

    handle = layer.register_forward_hook(add)
    try:
        yield
    finally:
        handle.remove()


@torch.no_grad()
def at_last_prompt_token(
    policy: Policy, scenarios: Sequence[Scenario], layer: torch.nn.Module, size: int
) -> torch.Tensor:
    """Read the layer's output at the last token of each prompt, (scenarios, H), `size` prompts at a time."""
    found: list[torch.Tensor] = []
    prompts = [policy.prompt_ids(scenario) for scenario in scenarios]

    def keep(module: torch.nn.Module, given: Any, output: Any) -> None:
        stream_BPH = output[0] if isinstance(output, tuple) else output
        found.append(stream_BPH[:, -1].float())

    handle = layer.register_forward_hook(keep)
    try:
        in_order: list[int] = []
        for rows in batches(policy.shortcuts, [len(prompt) for prompt in prompts], size):
            in_order += rows
            policy.read(*pad_left([prompts[row] for row in rows], policy.pad_id, policy.device))
    finally:
        handle.remove()
    return torch.cat(found)[torch.tensor(in_order).argsort()]
