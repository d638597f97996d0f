"""The step in few operations says what the model says, with prompts copied or shared, and leaves other models alone."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

import rl.policy.cpu.decode_step
from rl.policy.cpu import linear
from rl.policy.cpu.decode_step import DecodeStep, step_of
from rl.policy.cpu.linear import QuickLinear
from rl.policy.graphed_rows import GraphedRows
from rl.policy.policy import Policy
from rl.policy.prefill import read_prompts
from rl.policy.running_rows import CachedRows, SharingRows, begin
from rl.policy.shortcuts import EVERY_SHORTCUT

SMALL = {
    "hidden_size": 36, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 9,
    "num_key_value_heads": 3, "head_dim": 8, "vocab_size": 50,
}  # fmt: skip
LENGTHS = (9, 4, 7)  # of three prompts; rows of one prompt need not be neighbours, and one prompt has one row
ROWS = (0, 1, 0, 2, 0, 1)

needs_onednn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")


def llama() -> Any:
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SMALL)).eval()


def qwen3() -> Any:
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(Qwen3Config(**SMALL)).eval()
    for layer in model.model.layers:  # norms of heads that aren't all ones
        torch.nn.init.uniform_(layer.self_attn.q_norm.weight, 0.5, 2)
        torch.nn.init.uniform_(layer.self_attn.k_norm.weight, 0.5, 2)
    return model


def decoded(policy: Policy, kind: type) -> list[torch.Tensor]:
    """The logits of every row after each of 40 tokens; rows leave after the third and the fifth."""
    rng = np.random.default_rng(0)
    prompts = [rng.integers(0, 50, length) for length in LENGTHS]
    found = []
    with torch.no_grad():
        rows, logits = begin(policy, [prompts[row] for row in ROWS], 40)
        assert type(rows) is kind
        running = list(range(len(ROWS)))
        for step in range(40):
            found.append(logits.clone())
            if step in (3, 5):
                left = [place for place in range(len(running)) if place != step - 2]  # a whole prompt, then another row
                rows.keep(torch.tensor(left, device=policy.device))
                running = [running[place] for place in left]
            logits = rows.advance(torch.tensor([(7 * step + row) % 50 for row in running], device=policy.device))
    return found


@needs_onednn
@pytest.mark.parametrize("shares", [False, True])
@pytest.mark.parametrize("make", [llama, qwen3])
@pytest.mark.parametrize("packed", [False, True])
def test_it_says_what_the_model_says(make: Any, shares: bool, packed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rl.policy.cpu.decode_step, "LEAST_WEIGHTS", 1 if packed else 10**9)
    monkeypatch.setattr(rl.policy.cpu.decode_step, "shares_prompts", lambda _: shares)
    monkeypatch.setattr(linear, "worthwhile", lambda: True)
    policy = Policy(make(), None, (1,), replace(EVERY_SHORTCUT, shares_beginnings=False))
    monkeypatch.setattr(Policy, "pad_id", 0)
    plain = decoded(replace(policy, cpu_speed=False), CachedRows)
    fast = decoded(policy, SharingRows if shares else CachedRows)
    for one, other in zip(plain, fast, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


@pytest.mark.parametrize("make", [llama, qwen3])
def test_rows_that_stay_in_place_say_what_the_model_says(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operations that CUDA records, one by one on the CPU."""
    policy = Policy(make(), None, (1,), replace(EVERY_SHORTCUT, shares_beginnings=False))
    monkeypatch.setattr(Policy, "pad_id", 0)
    plain = decoded(replace(policy, cpu_speed=False), CachedRows)

    def graphed(policy: Policy, prompts: Any, limit: int) -> Any:
        read, step = read_prompts(policy, prompts, limit), step_of(policy.model, len(prompts))
        assert step is not None
        return GraphedRows(step, read, limit), read.logits_DV[read.prompt_of_N]

    monkeypatch.setitem(globals(), "begin", graphed)
    for one, other in zip(plain, decoded(policy, GraphedRows), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("make", [llama, qwen3])
def test_a_recorded_graph_says_what_the_model_says(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = Policy(make().cuda(), None, (1,), replace(EVERY_SHORTCUT, shares_beginnings=False))
    monkeypatch.setattr(Policy, "pad_id", 0)
    plain = decoded(replace(policy, cpu_speed=False), CachedRows)
    for one, other in zip(plain, decoded(policy, GraphedRows), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


@needs_onednn
@pytest.mark.parametrize("kind", [CachedRows, SharingRows, GraphedRows])
@pytest.mark.parametrize("make", [llama, qwen3])
@pytest.mark.parametrize("packed", [False, True])
def test_in_bfloat16_it_says_what_autocast_says(
    make: Any, packed: bool, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rl.policy.cpu.decode_step, "LEAST_WEIGHTS", 1 if packed else 10**9)
    monkeypatch.setattr(rl.policy.cpu.decode_step, "shares_prompts", lambda _: kind is SharingRows)
    monkeypatch.setattr(linear, "worthwhile", lambda: True)
    policy = Policy(make(), None, (1,), replace(EVERY_SHORTCUT, shares_beginnings=False))
    monkeypatch.setattr(Policy, "pad_id", 0)
    exact = decoded(replace(policy, cpu_speed=False), CachedRows)
    plain = decoded(replace(policy, cpu_speed=False, half=True), CachedRows)

    def graphed(policy: Policy, prompts: Any, limit: int) -> Any:
        read, step = read_prompts(policy, prompts, limit), step_of(policy.model, len(prompts), policy.half)
        assert step is not None
        read.halve()
        return GraphedRows(step, read, limit), read.logits_DV[read.prompt_of_N]

    if kind is GraphedRows:
        monkeypatch.setitem(globals(), "begin", graphed)
    fast = decoded(replace(policy, half=True), kind)
    rounding = max(float((one - other).abs().max()) for one, other in zip(exact, plain, strict=True))
    assert rounding > 1e-4  # bfloat16 has three digits
    for one, other in zip(plain, fast, strict=True):
        assert float((one.float() - other.float()).abs().max()) < 2 * rounding
        assert other.dtype == torch.bfloat16


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("make", [llama, qwen3])
def test_a_recorded_graph_in_bfloat16_says_what_autocast_says(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = Policy(make().cuda(), None, (1,), replace(EVERY_SHORTCUT, shares_beginnings=False), half=True)
    monkeypatch.setattr(Policy, "pad_id", 0)
    plain = decoded(replace(policy, cpu_speed=False), CachedRows)
    for one, other in zip(plain, decoded(policy, GraphedRows), strict=True):
        torch.testing.assert_close(one.float(), other.float(), rtol=0, atol=2e-2)


def with_hook() -> Any:
    model = llama()
    model.model.layers[1].register_forward_hook(lambda *_: None)
    return model


def with_bias() -> Any:
    return LlamaForCausalLM(LlamaConfig(**SMALL, attention_bias=True)).eval()


def with_window() -> Any:
    return Qwen3ForCausalLM(Qwen3Config(**SMALL, use_sliding_window=True, sliding_window=4, max_window_layers=1)).eval()


def eager() -> Any:
    model = llama()
    model.set_attn_implementation("eager")
    return model


def neox() -> Any:
    few = {name: SMALL[name] for name in ("hidden_size", "intermediate_size", "num_hidden_layers", "vocab_size")}
    return GPTNeoXForCausalLM(GPTNeoXConfig(**few, num_attention_heads=4)).eval()


def half() -> Any:
    return llama().bfloat16()


@pytest.mark.parametrize("make", [with_hook, with_bias, with_window, eager, neox, half])
def test_other_models_are_left_to_transformers(make: Any) -> None:
    assert step_of(make(), 4) is None


def test_quick_layers_are_known() -> None:
    model = llama()
    for module in model.modules():
        if type(module) is torch.nn.Linear:
            module.__class__ = QuickLinear
    assert type(step_of(model, 4)) is DecodeStep
