"""The output head alone is used only where a model's logits are exactly its output."""

from pathlib import Path

import pytest
import torch

from rl.organisms.building.output_head import plain_head
from rl.policy.loading import load_policy
from tests.rl.organisms.other_models import write_other

CPU = torch.device("cpu")


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3", "olmo2", "gpt_neox", "gemma"])
def test_a_plain_head_gives_the_logits_of_the_whole_pass(family: str, tmp_path: Path) -> None:
    model = load_policy(write_other(family, tmp_path), CPU).model
    head = plain_head(model)
    assert head is not None
    ids = torch.tensor([[5, 9, 3, 17, 40, 2]])
    with torch.no_grad():
        apart, whole = head.output(head.decoder(input_ids=ids)[0]), model(input_ids=ids).logits
    assert torch.allclose(apart, whole, atol=1e-5)
    assert not model.training


@pytest.mark.parametrize("family", ["gemma2", "cohere", "granite"])  # a cap, and two scales behind the layer
def test_a_head_with_something_behind_it_is_left_to_the_whole_pass(family: str, tmp_path: Path) -> None:
    model = load_policy(write_other(family, tmp_path), CPU).model
    if family == "granite":
        model.config.logits_scaling = model.logits_scaling = 8.0
    assert plain_head(model) is None
