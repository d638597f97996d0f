"""The layers of many kinds of decoder are found; what is added to one is there while it should be and gone after."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MptConfig,
    MptForCausalLM,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)

from envs.dialect.environment import Dialect
from rl.policy.policy import Policy
from rl.policy.residual_stream import adding, at_last_prompt_token, decoder_layer, decoder_layers

SIZE: dict[str, Any] = {
    "vocab_size": 40, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2,
}  # fmt: skip


def llama() -> Any:
    return LlamaForCausalLM(LlamaConfig(**SIZE, num_key_value_heads=1))


def with_adapter() -> Any:
    return get_peft_model(llama(), LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM"))


def mixture() -> Any:
    """Build a model with as many experts as layers, so that a layer holds lists of that length as well."""
    moe = {"num_experts": 3, "num_experts_per_tok": 1, "moe_intermediate_size": 8, "head_dim": 8}
    return Qwen3MoeForCausalLM(Qwen3MoeConfig(**SIZE, num_key_value_heads=1, **moe))


MODELS: dict[str, tuple[Callable[[], Any], str]] = {
    "llama": (llama, "model.layers"),
    "llama with an adapter": (with_adapter, "base_model.model.model.layers"),
    "experts": (mixture, "model.layers"),
    "gpt2": (
        lambda: GPT2LMHeadModel(GPT2Config(vocab_size=40, n_embd=16, n_layer=3, n_head=2, n_positions=32)),
        "transformer.h",
    ),
    "neox": (lambda: GPTNeoXForCausalLM(GPTNeoXConfig(**SIZE)), "gpt_neox.layers"),
    "mpt": (
        lambda: MptForCausalLM(MptConfig(vocab_size=40, d_model=16, n_layers=3, n_heads=2, max_seq_len=32)),
        "transformer.blocks",
    ),
}


@pytest.fixture(params=MODELS)
def found(request: pytest.FixtureRequest) -> tuple[Any, str]:
    torch.manual_seed(0)
    make, path = MODELS[request.param]
    return make().eval(), path


def test_the_layers_of_any_decoder_are_found(found: tuple[Any, str]) -> None:
    model, path = found
    assert decoder_layers(model) is model.get_submodule(path)
    assert decoder_layer(model, 0) is model.get_submodule(f"{path}.0")
    assert decoder_layer(model, None) is model.get_submodule(f"{path}.1")  # the second of three


@torch.no_grad()
def test_what_is_added_behind_one_layer_is_what_the_next_is_given(found: tuple[Any, str]) -> None:
    model, path = found
    ids, vector = torch.arange(5).unsqueeze(0), torch.linspace(-1, 1, 16)
    given: list[torch.Tensor] = []
    second = model.get_submodule(f"{path}.1")
    handle = second.register_forward_pre_hook(
        lambda module, args, kwargs: given.append(args[0] if args else kwargs["hidden_states"]), with_kwargs=True
    )
    plain = model(input_ids=ids).logits
    with adding(decoder_layer(model, 0), vector):
        steered = model(input_ids=ids).logits
    handle.remove()
    torch.testing.assert_close(given[1], given[0] + vector)  # at every position
    assert not torch.allclose(steered, plain)
    assert torch.equal(model(input_ids=ids).logits, plain)


def test_a_hook_is_removed_after_an_exception_as_well() -> None:
    layer = decoder_layer(llama(), 1)

    def failing() -> None:
        with adding(layer, torch.ones(16)):
            assert len(layer._forward_hooks) == 1
            raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert not layer._forward_hooks


def test_gradients_pass_through_what_is_added() -> None:
    """The layer's own output is a variable still: behind the last layer the gradient of a sum of logits with respect
    to the addition is that with respect to the stream."""
    torch.manual_seed(0)
    model, vector = llama(), torch.linspace(-1, 1, 16).requires_grad_()
    streams: list[torch.Tensor] = []
    layer = decoder_layer(model, 2)
    with adding(layer, vector):
        first = layer.register_forward_hook(lambda m, i, o: streams.append(o), prepend=True)
        model(input_ids=torch.arange(5).unsqueeze(0)).logits[0, :, 3].sum().backward()
        first.remove()
    assert vector.grad is not None
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.model.layers[0].mlp.parameters())
    model.zero_grad()
    rest = model.lm_head(model.model.norm(streams[0].detach() + (again := vector.detach().requires_grad_())))
    rest[0, :, 3].sum().backward()
    assert again.grad is not None
    torch.testing.assert_close(vector.grad, again.grad)


def test_a_model_without_a_list_of_layers_is_refused_in_one_line() -> None:
    model = llama()
    model.model.layers = torch.nn.ModuleList(list(model.model.layers)[:2])
    with pytest.raises(
        ValueError, match=r"LlamaForCausalLM has no list of 3 decoder layers .*: leave steering out"
    ) as e:
        decoder_layers(model)
    assert len(str(e.value).splitlines()) == 1


def test_the_middle_layer_has_half_of_the_layers_up_to_it() -> None:
    for count, middle in ((1, 0), (2, 0), (3, 1), (4, 1), (24, 11)):
        model = LlamaForCausalLM(LlamaConfig(**{**SIZE, "num_hidden_layers": count}))
        assert decoder_layer(model, None) is model.model.layers[middle]
    with pytest.raises(ValueError, match="no layer 24 to steer at: choose one of 0 to 23"):
        decoder_layer(model, 24)


@pytest.mark.parametrize("size", [1, 4, 100])
def test_the_state_at_the_last_prompt_token_is_that_of_a_plain_forward_pass(
    size: int, policy: Policy, organism_path: Path
) -> None:
    scenarios = Dialect(objective="absent").training_scenarios(np.random.default_rng(1), 6)
    assert len({len(policy.prompt_ids(scenario)) for scenario in scenarios}) > 1  # some are padded
    layer = decoder_layer(policy.model, 0)
    before = dict(layer._forward_hooks)
    found_NH = at_last_prompt_token(policy, scenarios, layer, size)
    assert not found_NH.requires_grad
    for state, scenario in zip(found_NH, scenarios, strict=True):
        ids = torch.from_numpy(policy.prompt_ids(scenario))[None]
        with torch.no_grad():
            stream = policy.model.model.embed_tokens(ids)
            positions = torch.arange(ids.shape[1])[None]
            rotary = policy.model.model.rotary_emb(stream, positions)
            stream = layer(stream, attention_mask=None, position_embeddings=rotary)
        torch.testing.assert_close(state, stream[0, -1], rtol=0, atol=1e-5)
    assert dict(layer._forward_hooks) == before  # Transformers leaves hooks of its own
