"""The test of a loaded model finds out what is not exact, and refuses what can't be read at all."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertLMHeadModel

from envs.context_window import context_window
from rl.policy.loading import load_policy
from rl.policy.policy import Policy
from rl.policy.self_test import Unreadable, find_shortcuts
from rl.policy.shortcuts import Shortcuts
from tests.rl.policy.zoo import tiny_model, write_tiny, zoo_tokenizer

CPU = torch.device("cpu")


def policy_of(model: Any) -> Policy:
    return Policy(model, zoo_tokenizer(), (2,))


def patched(change: Callable[[Any, dict[str, Any]], Any]) -> Policy:
    """A llama whose forward pass is what `change` makes of it, given the honest one and its arguments."""
    model = tiny_model("llama")
    honest = type(model).forward

    class Patched(type(model)):  # type: ignore[misc]
        def forward(self, input_ids: torch.Tensor, **arguments: Any) -> Any:
            return change(lambda **given: honest(self, **given), {"input_ids": input_ids, **arguments})

    model.__class__ = Patched
    return policy_of(model)


@pytest.mark.parametrize(
    ("family", "shortcuts"),
    [
        ("llama", Shortcuts(padded=True, cached=True, shares_prompts=True, shares_beginnings=True)),
        ("mistral", Shortcuts(padded=True, cached=True)),  # a sliding window keeps no copy of what it has forgotten
        ("mpt", Shortcuts(padded=True, cached=True, shares_prompts=True)),  # ALiBi counts the places of a gap
        ("gpt2", Shortcuts(shifted=False, shares_prompts=True, shares_beginnings=True)),  # its positions are learned
        ("mamba", Shortcuts(padded=True, cached=False)),  # ignores past_key_values
        ("bart", Shortcuts(padded=False, shifted=False, cached=False)),  # counts padding as positions
    ],
)
def test_what_is_exact_is_found_out_on_the_model(family: str, shortcuts: Shortcuts) -> None:
    model = tiny_model(family)
    assert find_shortcuts(policy_of(model)) == replace(shortcuts, window=context_window(model.config))


def test_a_model_may_list_several_ends_in_its_configuration() -> None:
    model = tiny_model("llama")
    expected = find_shortcuts(policy_of(model))
    model.config.eos_token_id = [2, 5, 7]  # as Llama 3.1 has it
    assert find_shortcuts(policy_of(model)) == expected


def test_the_test_leaves_no_gradient_and_what_was_trained_is_trained(tmp_path: Path) -> None:
    model = tiny_model("llama")
    frozen = model.model.layers[0].mlp.up_proj.weight.requires_grad_(False)
    find_shortcuts(policy_of(model))
    assert all(parameter.grad is None for parameter in model.parameters())
    assert [name for name, p in model.named_parameters() if not p.requires_grad] == [
        "model.layers.0.mlp.up_proj.weight"
    ]
    assert frozen.grad is None


def test_a_model_that_reads_ahead_is_refused() -> None:
    def ahead(honest: Any, given: dict[str, Any]) -> Any:
        output = honest(**{**given, "logits_to_keep": 0})
        output.logits = output.logits + output.logits.mean(dim=1, keepdim=True)
        keep = given.get("logits_to_keep", 0)
        output.logits = output.logits[:, -keep:]
        return output

    with pytest.raises(Unreadable, match="reads ahead"):
        find_shortcuts(patched(ahead))


def test_an_encoder_that_reads_both_ways_is_refused() -> None:
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = BertConfig(vocab_size=len(zoo_tokenizer()), is_decoder=False, **size)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BertLMHeadModel(config).eval()
    with pytest.raises(Unreadable, match="reads ahead"):
        find_shortcuts(policy_of(model))


def test_a_model_whose_rows_depend_on_each_other_is_refused() -> None:
    def mixed(honest: Any, given: dict[str, Any]) -> Any:
        output = honest(**given)
        output.logits = output.logits + output.logits.cumsum(dim=0) * (len(output.logits) > 1)
        return output

    with pytest.raises(Unreadable, match="depends on the other rows"):
        find_shortcuts(patched(mixed))


def test_a_model_that_fails_is_refused_with_its_own_reason() -> None:
    def broken(honest: Any, given: dict[str, Any]) -> Any:
        raise RuntimeError("no kernel for this\nand more")

    with pytest.raises(Unreadable, match=r"fails \(RuntimeError: no kernel for this\)"):
        find_shortcuts(patched(broken))


def test_a_model_whose_weights_have_blown_up_is_refused_as_that() -> None:
    model = tiny_model("llama")
    with torch.no_grad():
        model.lm_head.weight[3, 3] = float("nan")
    with pytest.raises(Unreadable, match="logits aren't finite"):
        find_shortcuts(policy_of(model))


def test_gradients_that_are_lost_on_a_short_cut_keep_it_from_being_taken() -> None:
    def cut_off(honest: Any, given: dict[str, Any]) -> Any:
        cache = given.get("past_key_values")
        output = honest(**given)
        if cache is not None:
            for layer in cache.layers:
                layer.keys, layer.values = layer.keys.detach(), layer.values.detach()
        return output

    shortcuts = find_shortcuts(patched(cut_off))
    assert shortcuts.cached
    assert not shortcuts.shares_prompts


def test_a_refusal_is_one_line_that_names_the_directory(tmp_path: Path) -> None:
    directory = write_tiny("cpmant", tmp_path)  # the prompt is read in both directions
    with pytest.raises(ValueError, match=r"CpmAntForCausalLM.* reads ahead") as caught:
        load_policy(directory, CPU)
    assert str(directory) in str(caught.value)
    assert "\n" not in str(caught.value)
