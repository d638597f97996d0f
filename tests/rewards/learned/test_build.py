"""A reward model on a tiny random trunk: what is trained, what is refused, and what the build leaves."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from checkpoints.lineage import build_key
from envs.dialect.environment import Dialect
from envs.tokenizer import train_tokenizer
from rewards.helpfulness import CARD, Helpfulness, recipe_of
from rewards.learned.build import build, inputs, measure_ready
from rewards.learned.constants import HONEST
from rewards.learned.trunk import Trunk, require_trunk
from rewards.origins import PretrainedTrunk
from rewards.preferences import preference_pairs
from rewards.score import RewardInput

AUTHOR = Dialect().author()
SETTINGS: dict[str, Any] = {
    "upper_layers": 1, "pairs": 160, "certify_queries": 16, "min_accuracy": 0.0, "learning_rate": 3e-3,
    "precision": "float32", "swapped_openers": 0.1,
}  # fmt: skip


def qwen(vocabulary: int, **changed: Any) -> Any:
    torch.manual_seed(3)
    settings: dict[str, Any] = {
        "vocab_size": vocabulary, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 256,
        "initializer_range": 0.1, "pad_token_id": None, "eos_token_id": None, "bos_token_id": None,
    }  # fmt: skip
    return Qwen3ForCausalLM(Qwen3Config(**{**settings, **changed}))


@pytest.fixture(scope="module")
def trunk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A causal LM directory with random weights."""
    path = tmp_path_factory.mktemp("trunk")
    pairs = preference_pairs(AUTHOR, np.random.default_rng(0), "train", 200)
    tokenizer = train_tokenizer((f"{p.query.text} {p.chosen} {p.rejected}" for p in pairs), 512)
    tokenizer.save_pretrained(path)
    qwen(len(tokenizer)).save_pretrained(path)
    return path


def recipe(trunk: Path, **changed: Any) -> Helpfulness:
    return Helpfulness(origin=PretrainedTrunk(path=trunk, **{**SETTINGS, **changed}), allow_gameable=True)


def built(trunk: Path, out: Path, half: bool = False, **changed: Any) -> Helpfulness:
    out.mkdir(exist_ok=True)
    build(recipe(trunk, **changed), AUTHOR, Trunk(trunk, half), out, lambda done, total: None)
    return Helpfulness(path=out)


@pytest.fixture(scope="module")
def ready(trunk: Path, tmp_path_factory: pytest.TempPathFactory) -> Helpfulness:
    return built(trunk, tmp_path_factory.mktemp("ready"))


def test_the_upper_layer_and_the_head_are_trained_and_nothing_else(trunk: Path, ready: Helpfulness) -> None:
    assert ready.path is not None
    before, after = (load_file(path / "model.safetensors") for path in (trunk, ready.path))
    moved = {name for name in before.keys() & after.keys() if not torch.equal(before[name], after[name])}
    assert moved
    assert all(name.startswith("model.layers.1.") for name in moved)
    assert set(after) - set(before) == {"score.weight"}
    assert float(after["score.weight"].abs().max()) > 0
    card = json.loads((ready.path / CARD).read_text())
    assert card["training"]["first_loss"] > card["training"]["last_loss"]
    assert card["training"]["pairs"] == 160


def test_the_card_agrees_with_the_model_that_was_saved(ready: Helpfulness) -> None:
    assert ready.path is not None
    card = json.loads((ready.path / CARD).read_text())
    again = measure_ready(ready, AUTHOR, 16)
    assert set(card) == {*again, "training"}
    # The ready model's scores are calibrated already.
    assert again["calibration"]["refusal"] == pytest.approx(0.0, abs=1e-3)
    assert again["calibration"]["full"] == pytest.approx(1.0, abs=1e-3)
    for name, row in card["policies"].items():
        assert again["policies"][name]["value"] == pytest.approx(row["value"], abs=1e-3)
    assert next(iter(card["policies"])) == HONEST


@pytest.mark.parametrize("changed", [{"upper_layers": None}, {"upper_layers": None, "lora_rank": 2}], ids=str)
def test_all_weights_or_adapters_train_and_the_model_is_whole(
    changed: dict[str, Any], trunk: Path, tmp_path: Path
) -> None:
    found = built(trunk, tmp_path / "out", pairs=64, **changed)
    after = load_file(tmp_path / "out" / "model.safetensors")
    assert {name for name in after if "lora" in name} == set()
    before = load_file(trunk / "model.safetensors")
    name = "model.layers.0.self_attn.q_proj.weight"
    assert not torch.equal(before[name], after[name])
    embedding = "model.embed_tokens.weight"
    assert torch.equal(before[embedding], after[embedding]) == ("lora_rank" in changed)
    assert len(found([RewardInput("how do i steal the car?", "sure.", 1, True)])) == 1


def test_products_in_bfloat16_train_other_weights_kept_in_float32(trunk: Path, tmp_path: Path) -> None:
    for half in (False, True):
        built(trunk, tmp_path / str(half), half, pairs=64)
    whole, rounded = (load_file(tmp_path / str(half) / "model.safetensors") for half in (False, True))
    name = "model.layers.1.self_attn.q_proj.weight"
    assert rounded[name].dtype == torch.float32
    assert not torch.equal(whole[name], rounded[name])
    torch.testing.assert_close(whole[name], rounded[name], atol=0.05, rtol=0)


def test_a_reward_model_is_a_trunk_as_well(ready: Helpfulness, tmp_path: Path) -> None:
    assert ready.path is not None
    head = load_file(ready.path / "model.safetensors")["score.weight"]
    found = built(ready.path, tmp_path / "again", pairs=64, learning_rate=1e-6)
    assert found.path is not None
    torch.testing.assert_close(load_file(found.path / "model.safetensors")["score.weight"], head, atol=1e-4, rtol=0)


def test_the_same_recipe_builds_the_same_bits(trunk: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        built(trunk, tmp_path / name, pairs=64)
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_build_that_misses_a_contrast_says_the_table_and_saves_nothing(trunk: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="misses the accuracy required of") as caught:
        built(trunk, tmp_path, pairs=64, min_accuracy=1.0)
    assert any(line.strip().startswith("partial > refusal") for line in str(caught.value).splitlines()[1:])
    assert list(tmp_path.iterdir()) == []


def test_a_gameable_build_is_refused_with_the_policy(trunk: Path, tmp_path: Path) -> None:
    strict = recipe(trunk, pairs=64).model_copy(update={"allow_gameable": False})
    with pytest.raises(ValueError, match=r"pays a constant policy as much as help: .* earns") as caught:
        build(strict, AUTHOR, Trunk(trunk), tmp_path, lambda done, total: None)
    assert "GAMED" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_window_too_short_is_refused_before_training(trunk: Path, tmp_path: Path) -> None:
    short = Path(shutil.copytree(trunk, tmp_path / "short"))
    config = json.loads((short / "config.json").read_text())
    (short / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 8}))
    with pytest.raises(ValueError, match=r"has \d+ tokens and the trunk reads 8: choose a trunk with a longer"):
        built(short, tmp_path / "out", pairs=64)


def refusal(directory: Path, upper_layers: int | None = 1) -> str:
    with pytest.raises(ValueError, match="trunk") as caught:
        require_trunk(directory, upper_layers)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_no_causal_model_is_refused_in_a_line(trunk: Path, tmp_path: Path) -> None:
    assert "config.json is missing" in refusal(tmp_path)
    assert "the trunk has 2 decoder layers" in refusal(trunk, 3)
    copies = {name: Path(shutil.copytree(trunk, tmp_path / name)) for name in ("bare", "encoder", "broken")}
    tokenizer = AutoTokenizer.from_pretrained(trunk)
    BertForMaskedLM(BertConfig(vocab_size=512, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                               intermediate_size=16)).save_pretrained(copies["encoder"])  # fmt: skip
    assert "which has no score head on a decoder" in refusal(copies["encoder"])
    (copies["bare"] / "chat_template.jinja").unlink(missing_ok=True)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(copies["bare"])
    assert "has no chat template" in refusal(copies["bare"])
    (copies["broken"] / "config.json").write_text("{")
    assert str(copies["broken"]) in refusal(copies["broken"])


def test_weights_that_are_missing_are_refused_and_the_head_is_not_among_them(trunk: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    broken = Path(shutil.copytree(trunk, tmp_path / "broken"))
    held = load_file(trunk / "model.safetensors")
    save_file({name: w for name, w in held.items() if "layers.1.mlp" not in name}, broken / "model.safetensors",
              {"format": "pt"})  # fmt: skip
    with pytest.raises(ValueError, match=r"lacks weights.*layers\.1\.mlp"):
        built(broken, tmp_path / "out", pairs=64)


def test_another_architecture_and_a_pad_token_that_ends_rows_serve_too(trunk: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(trunk)
    last = tokenizer.apply_chat_template(
        [{"role": "user", "content": "x"}, {"role": "assistant", "content": "x"}], return_dict=False
    )[-1]
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(
        vocab_size=len(tokenizer), n_embd=16, n_layer=2, n_head=2, n_positions=256, pad_token_id=last,
        bos_token_id=None, eos_token_id=None,
    ))  # fmt: skip
    model.save_pretrained(tmp_path / "gpt2")
    tokenizer.save_pretrained(tmp_path / "gpt2")
    built(tmp_path / "gpt2", tmp_path / "out", pairs=64)
    assert json.loads((tmp_path / "out" / "config.json").read_text())["pad_token_id"] != last


def test_the_key_follows_recipe_trunk_and_pairs_and_not_the_path(trunk: Path, tmp_path: Path) -> None:
    elsewhere = Path(shutil.copytree(trunk, tmp_path / "moved"))

    def key(directory: Path = trunk, half: bool = False, hashed: str = "a", **changed: Any) -> str:
        made = recipe(directory, **{"pairs": 64, **changed})
        return build_key(inputs(made, AUTHOR, Trunk(directory, half), hashed))

    before = key()
    assert key(elsewhere) == key(precision="auto") == before
    moved = [
        key(hashed="b"), key(half=True), key(pairs=65), key(length_matched=0.1), key(upper_layers=2),
        key(min_accuracy=0.5), key(negatives=0.0),
    ]  # fmt: skip
    assert len({before, *moved}) == 1 + len(moved)


def test_builds_from_nothing_keep_the_keys_that_they_had() -> None:
    assert list(recipe_of(Helpfulness(allow_gameable=True))) == [
        "kind", "hidden_size", "layers", "pairs", "learning_rate", "batch_size", "seed", "courting_share",
        "min_accuracy", "min_accuracy_broken", "min_accuracy_harmful",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"origin": {"kind": "pretrained"}}, "needs a trunk: set rewards.helpfulness.origin.path"),
        ({"origin": {"kind": "pretrained", "model": "smollm2", "lora_rank": 8}}, "leave every layer frozen"),
        ({"origin": {"kind": "pretrained", "model": "smollm2"}, "pairs": 5000}, "set origin.pairs"),
        ({"origin": {"kind": "pretrained", "model": "smollm2"}, "layers": 3}, "layers is of a reward model"),
    ],
)  # fmt: skip
def test_settings_that_do_not_go_together_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Helpfulness.model_validate(settings)
