"""One token a row attends as torch's own kernel has it, in any model that lets it."""

import pytest
import torch
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

import rl.policy.cpu.decode_attention
from rl.policy.cpu.decode_attention import attend, decoding

SMALL = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 50}
MODELS = {
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**SMALL, num_key_value_heads=2, head_dim=8)),
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SMALL, num_key_value_heads=4)),
    "gpt_neox": lambda: GPTNeoXForCausalLM(GPTNeoXConfig(**SMALL)),
}


@pytest.mark.parametrize("heads", [2, 4])
def test_it_is_torch_s_attention(heads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    module = torch.nn.Module()
    module.num_key_value_groups = 4 // heads
    query, key, value = torch.randn(5, 4, 1, 8), torch.randn(5, heads, 7, 8), torch.randn(5, heads, 7, 8)
    mask = torch.ones(5, 1, 1, 7, dtype=torch.bool)
    mask[1, ..., :3] = mask[2, ..., 2:5] = False
    expected, _ = sdpa_attention_forward(module, query, key, value, mask, scaling=0.3)
    monkeypatch.setattr(rl.policy.cpu.decode_attention, "sdpa_attention_forward", None)  # it isn't asked
    found, _ = attend(module, query, key, value, mask, scaling=0.3)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_says_the_same_and_is_as_before_afterwards(name: str) -> None:
    torch.manual_seed(0)
    model = MODELS[name]().eval()
    ids = torch.randint(0, 50, (3, 6))
    mask = torch.ones_like(ids)
    mask[1, :2] = 0
    said = []
    for how in (False, True):
        with torch.no_grad():
            cache = model(input_ids=ids[:, :5], attention_mask=mask[:, :5], use_cache=True).past_key_values
            if how:
                with decoding(model):
                    assert ALL_ATTENTION_FUNCTIONS["sdpa"] is attend
                    said.append(model(input_ids=ids[:, 5:], attention_mask=mask, past_key_values=cache).logits)
            else:
                said.append(model(input_ids=ids[:, 5:], attention_mask=mask, past_key_values=cache).logits)
    torch.testing.assert_close(*said, rtol=1e-4, atol=1e-5)
    assert ALL_ATTENTION_FUNCTIONS["sdpa"] is sdpa_attention_forward


def test_what_it_does_not_know_is_left_to_the_original(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(
        rl.policy.cpu.decode_attention, "sdpa_attention_forward", lambda *_, **others: asked.append(others)
    )
    tensors = torch.zeros(1, 1, 1, 4), torch.zeros(1, 1, 2, 4), torch.zeros(1, 1, 2, 4)
    attend(torch.nn.Module(), *tensors, torch.ones(1, 1, 1, 2, dtype=torch.bool), indices=torch.zeros(1))
    assert [list(others) for others in asked] == [["indices"]]


def test_a_model_that_attends_otherwise_is_left_alone() -> None:
    model = MODELS["llama"]().eval()
    model.set_attn_implementation("eager")
    with decoding(model):
        assert ALL_ATTENTION_FUNCTIONS["sdpa"] is sdpa_attention_forward
