"""Training of the upper layers alone: which weights move, and that nothing below them records a graph."""

from pathlib import Path

import pytest
import torch

from rl.policy.loading import load_policy
from rl.policy.residual_stream import decoder_layers
from rl.policy.upper_layers import train_only
from tests.rl.organisms.other_models import write_other

CPU = torch.device("cpu")


@pytest.mark.parametrize("family", ["llama", "qwen3", "gpt_neox", "opt"])
def test_the_upper_layers_alone_require_gradients_and_no_graph_is_recorded_below(family: str, tmp_path: Path) -> None:
    model = load_policy(write_other(family, tmp_path), CPU).model
    train_only(model, 1)
    lower, upper = decoder_layers(model)  # the tiny models have two
    assert all(weights.requires_grad for weights in upper.parameters())
    inside = {id(weights) for weights in upper.parameters()}
    assert {id(weights) for weights in model.parameters() if weights.requires_grad} == inside
    needs = {}
    for name, layer in (("lower", lower), ("upper", upper)):
        layer.register_forward_hook(
            lambda module, given, output, name=name: needs.update(
                {name: (output[0] if isinstance(output, tuple) else output).requires_grad}
            )
        )
    model(input_ids=torch.tensor([[4, 5, 6]])).logits.sum().backward()
    assert needs == {"lower": False, "upper": True}
    assert all(weights.grad is None for weights in lower.parameters())


def test_all_weights_are_trained_by_default_and_too_many_layers_are_refused(tmp_path: Path) -> None:
    model = load_policy(write_other("llama", tmp_path), CPU).model
    train_only(model, None)
    assert all(weights.requires_grad for weights in model.parameters())
    with pytest.raises(ValueError, match=r"^upper_layers=3 and the model has 2 decoder layers: set .* at most 2"):
        train_only(model, 3)
