"""AdamW restored from disk goes on as if never interrupted, bit for bit."""

from pathlib import Path

import pytest
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from checkpoints import optimizer_state, store


def tiny_model() -> Qwen3ForCausalLM:
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
    )
    return Qwen3ForCausalLM(config).train()


def adamw(model: torch.nn.Module) -> torch.optim.AdamW:
    """Two groups, as trainers make them: no weight decay on the norms."""
    decayed = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    plain = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    return torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}], lr=1e-2, betas=(0.8, 0.95)
    )


def take_steps(model: Qwen3ForCausalLM, optimizer: torch.optim.Optimizer, first: int, last: int) -> None:
    for step in range(first, last):
        generator = torch.Generator().manual_seed(step)
        tokens_BT = torch.randint(64, (2, 12), generator=generator)
        optimizer.zero_grad()
        model(input_ids=tokens_BT, labels=tokens_BT).loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 / (step + 3)  # a schedule: the hyperparameters are state too
        optimizer.step()


def test_restored_and_continued_equals_uninterrupted(tmp_path: Path) -> None:
    model = tiny_model()
    optimizer = adamw(model)
    take_steps(model, optimizer, 0, 3)
    tensors, json = optimizer_state.flatten(optimizer)
    store.save(tmp_path, 3, model.save_pretrained, tensors, {"optimizer": json})
    take_steps(model, optimizer, 3, 6)

    checkpoint = store.load(tmp_path, 3)
    resumed_model = Qwen3ForCausalLM.from_pretrained(checkpoint.path).train()
    resumed_optimizer = adamw(resumed_model)
    saved = checkpoint.state["optimizer"]
    assert isinstance(saved, dict)
    optimizer_state.restore(resumed_optimizer, checkpoint.tensors, saved)
    assert resumed_optimizer.param_groups[0]["betas"] == (0.8, 0.95)
    assert resumed_optimizer.param_groups[0]["lr"] == 1e-2 / 5
    take_steps(resumed_model, resumed_optimizer, 3, 6)

    pairs = zip(model.named_parameters(), resumed_model.named_parameters(), strict=True)
    assert all(name == other and torch.equal(a, b) for (name, a), (other, b) in pairs)
    tensors_end, json_end = optimizer_state.flatten(optimizer)
    resumed_tensors_end, resumed_json_end = optimizer_state.flatten(resumed_optimizer)
    assert json_end == resumed_json_end
    assert all(torch.equal(tensors_end[name], resumed_tensors_end[name]) for name in tensors_end)


def stepped(*shapes: tuple[int, ...], dtype: torch.dtype = torch.float32) -> torch.optim.AdamW:
    parameters = [torch.nn.Parameter(torch.ones(shape, dtype=dtype)) for shape in shapes]
    optimizer = torch.optim.AdamW(parameters)
    torch.stack([parameter.sum() for parameter in parameters]).sum().backward()
    optimizer.step()
    return optimizer


def test_further_steps_change_neither_the_copy_nor_what_was_restored_from() -> None:
    optimizer = stepped((2, 3))
    tensors, json = optimizer_state.flatten(optimizer)
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    optimizer.step()
    assert all(torch.equal(tensors[name], before[name]) for name in before)
    optimizer_state.restore(optimizer, tensors, json)
    optimizer.step()
    assert all(torch.equal(tensors[name], before[name]) for name in before)


def test_an_optimiser_that_never_stepped_round_trips() -> None:
    fresh = torch.optim.AdamW([torch.nn.Parameter(torch.ones(2))], lr=0.5)
    tensors, json = optimizer_state.flatten(fresh)
    assert tensors == {}
    used = stepped((2,))
    optimizer_state.restore(used, tensors, json)
    assert used.param_groups[0]["lr"] == 0.5
    assert not used.state_dict()["state"]


def test_bfloat16_state_comes_back_exactly() -> None:
    tensors, json = optimizer_state.flatten(stepped((4,), dtype=torch.bfloat16))
    other = stepped((4,), dtype=torch.bfloat16)
    other.step()
    optimizer_state.restore(other, tensors, json)
    again, _ = optimizer_state.flatten(other)
    assert all(again[name].dtype == tensors[name].dtype and torch.equal(again[name], tensors[name]) for name in tensors)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (stepped((3, 2)), r"parameter 0 was saved with shape \[2, 3\], not \[3, 2\]"),
        (stepped((2, 3), (1,)), r"groups of \[1\] parameters, not \[2\]"),
        (stepped((2, 3), dtype=torch.bfloat16), r"exp_avg is torch.float32 \[2, 3\], its parameter torch.bfloat16"),
        (torch.optim.SGD([torch.nn.Parameter(torch.ones(2, 3))]), r"state of AdamW, not of SGD"),
    ],
)
def test_another_model_or_optimiser_is_refused_and_untouched(other: torch.optim.Optimizer, said: str) -> None:
    tensors, json = optimizer_state.flatten(stepped((2, 3)))
    before, _ = optimizer_state.flatten(other)
    with pytest.raises(ValueError, match=said) as caught:
        optimizer_state.restore(other, tensors, json)
    assert "config.json" in str(caught.value)
    after, _ = optimizer_state.flatten(other)
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_a_missing_tensor_is_named() -> None:
    tensors, json = optimizer_state.flatten(stepped((2,)))
    del tensors["optimizer/0/exp_avg_sq"]
    with pytest.raises(ValueError, match="lacks optimizer/0/exp_avg_sq"):
        optimizer_state.restore(stepped((2,)), tensors, json)


def test_a_tensor_learning_rate_is_refused() -> None:
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(2))], lr=torch.tensor(0.1), capturable=True)
    with pytest.raises(ValueError, match="its lr is a tensor"):
        optimizer_state.flatten(optimizer)
