"""Checkpoints that Transformers loads without an error, and that aren't the model they are taken for."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3ForSequenceClassification,
    Qwen3Model,
)

from rewards.weights import require_all_weights


def config(**changed: Any) -> Qwen3Config:
    return Qwen3Config(
        **{
            "vocab_size": 40,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 8,
            "num_labels": 1,
            "pad_token_id": 0,
            "eos_token_id": 1,
            **changed,
        }
    )


def load(kind: Any, path: Path) -> Any:
    model, info = kind.from_pretrained(path, output_loading_info=True, ignore_mismatched_sizes=True)
    require_all_weights(info, path)
    return model


def edit(path: Path, **changed: Any) -> None:
    file = path / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changed}))


@pytest.mark.parametrize("tied", [False, True])
def test_a_whole_checkpoint_is_taken_tied_or_not(tmp_path: Path, tied: bool) -> None:
    made = Qwen3ForCausalLM(config(tie_word_embeddings=tied))
    made.save_pretrained(tmp_path)
    assert ("lm_head.weight" in load_file(tmp_path / "model.safetensors")) is not tied
    loaded = load(AutoModelForCausalLM, tmp_path)
    assert torch.equal(loaded.lm_head.weight, made.lm_head.weight)


def test_a_causal_model_is_no_reward_model(tmp_path: Path) -> None:
    Qwen3ForCausalLM(config()).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"lacks weights, .* at random: score\.weight\. .* a sequence classifier") as e:
        load(AutoModelForSequenceClassification, tmp_path)
    assert "\n" not in str(e.value)
    assert str(tmp_path) in str(e.value)


def test_a_reward_model_or_a_bare_trunk_is_no_policy(tmp_path: Path) -> None:
    for name, made in (("classifier", Qwen3ForSequenceClassification), ("trunk", Qwen3Model)):
        made(config()).save_pretrained(tmp_path / name)
        with pytest.raises(ValueError, match=r"at random: lm_head\.weight\. .* lost its head"):
            load(AutoModelForCausalLM, tmp_path / name)


def test_a_lost_layer_names_its_first_weights_and_counts_the_rest(tmp_path: Path) -> None:
    Qwen3ForCausalLM(config()).save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    kept = {name: weight for name, weight in load_file(file).items() if not name.startswith("model.layers.1.")}
    save_file(kept, file, {"format": "pt"})
    # A Qwen3 layer holds 11: three of the MLP, four of attention, two norms of the heads and two of the layer.
    with pytest.raises(ValueError, match=r"model\.layers\.1\.input_layernorm\.weight, .* and 7 more\. .*whole model"):
        load(AutoModelForCausalLM, tmp_path)


def test_a_weight_of_another_shape_is_named_with_both_shapes(tmp_path: Path) -> None:
    Qwen3ForSequenceClassification(config()).save_pretrained(tmp_path)
    edit(tmp_path, id2label={"0": "bad", "1": "good"}, label2id={"bad": 0, "good": 1})
    with pytest.raises(ValueError, match=r"score\.weight \(1x16 held, 2x16 by config\.json\)"):
        load(AutoModelForSequenceClassification, tmp_path)


def test_a_layer_that_finds_no_place_is_refused_and_another_head_is_not(tmp_path: Path) -> None:
    Qwen3ForSequenceClassification(config()).save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    save_file({**load_file(file), "lm_head.weight": torch.zeros(40, 16)}, file, {"format": "pt"})
    load(AutoModelForSequenceClassification, tmp_path)
    edit(tmp_path, num_hidden_layers=1, layer_types=["full_attention"])
    with pytest.raises(ValueError, match=r"no place: model\.layers\.1\.input_layernorm\.weight, .* and 7 more"):
        load(AutoModelForSequenceClassification, tmp_path)
