"""A converted model is the model of the file, with its tokenizer, and half of one is never written."""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from rl.models.convert import convert
from rl.policy.loading import load_policy
from tests.rl.conftest import Gyges
from tests.rl.models.tiny_gguf import TEXTS, WIDTH, Tiny, write_tiny

Q8 = gguf.GGMLQuantizationType.Q8_0
MESSAGES = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return write_tiny(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture(scope="module")
def converted(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return convert(tiny.file, tmp_path_factory.mktemp("models") / "tiny")


def test_the_weights_and_the_tokenizer_are_the_file_s(tiny: Tiny, converted: Path) -> None:
    policy = load_policy(converted, torch.device("cpu"))
    expected = tiny.model.state_dict()
    found = policy.model.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert policy.model.lm_head.weight is policy.model.model.embed_tokens.weight
    assert "lm_head.weight" not in load_file(converted / "model.safetensors")
    for text in TEXTS:
        assert policy.tokenizer(text)["input_ids"] == tiny.tokenizer(text)["input_ids"]
    rendered = tiny.tokenizer.apply_chat_template(MESSAGES, add_generation_prompt=True)
    assert policy.tokenizer.apply_chat_template(MESSAGES, add_generation_prompt=True) == rendered
    assert policy.end_ids == (tiny.tokenizer.eos_token_id,)


def test_quantised_weights_are_the_dequantised_ones_and_a_head_of_its_own_is_kept(tmp_path: Path) -> None:
    tiny = write_tiny(tmp_path / "tiny.gguf", tied=False, quantisation=Q8)
    weights = load_file(convert(tiny.file, tmp_path / "model") / "model.safetensors")
    for name in ("lm_head.weight", "model.layers.1.mlp.up_proj.weight"):
        original = tiny.model.state_dict()[name]
        rounded = gguf.dequantize(gguf.quantize(original.numpy(), Q8), Q8)
        assert torch.equal(weights[name], torch.from_numpy(rounded))
        assert not torch.equal(weights[name], original)
    assert all(tensor.dtype == torch.float32 for tensor in weights.values())
    record = json.loads((tmp_path / "model" / "gyges_model.json").read_text())
    assert record["base"] == "Tiny Model, dequantised from Q8_0"
    assert record["quantisation"] == "Q8_0"


def test_the_card_says_where_the_weights_are_from(tiny: Tiny, converted: Path) -> None:
    record = json.loads((converted / "gyges_model.json").read_text())
    assert record["source"] == "tiny.gguf"
    assert record["licence"] == "mit"
    assert record["model"] is None
    assert record["parameters"] == sum(weights.numel() for weights in tiny.model.parameters())
    page = (converted / "README.md").read_text()
    assert record["sha256"] in page
    assert "not the original weights" in page


def test_digits_are_cut_apart_where_the_file_asks_for_it(converted: Path, tmp_path: Path) -> None:
    apart = convert(write_tiny(tmp_path / "tiny.gguf", pre="smollm").file, tmp_path / "model")

    def pieces(directory: Path, text: str) -> list[str]:
        tokenizer = load_policy(directory, torch.device("cpu")).tokenizer
        return [tokenizer.decode([token]) for token in tokenizer(text)["input_ids"]]

    assert pieces(converted, "\n\n1")[:2] == ["\n", "\n"]
    assert pieces(apart, "\n\n1")[0] == "\n\n"


def test_files_beside_the_file_are_not_read(tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(tiny.file.read_bytes())
    (tmp_path / "chat_template.jinja").write_text("another")
    (tmp_path / "config.json").write_text("{}")
    directory = convert(tmp_path / "tiny.gguf", tmp_path / "model")
    assert (directory / "chat_template.jinja").read_text() == tiny.tokenizer.chat_template


def _write(name: str) -> Any:
    return {
        "text": lambda file: file.write_text("not a model"),
        "empty": lambda file: file.write_bytes(b""),
        "magic alone": lambda file: file.write_bytes(b"GGUF"),
        "half a header": lambda file: file.write_bytes(write_tiny(file).file.read_bytes()[:900]),
        "half": lambda file: file.write_bytes((data := write_tiny(file).file.read_bytes())[: len(data) - 4000]),
        "a count that leads nowhere": lambda file: file.write_bytes(
            write_tiny(file).file.read_bytes()[:8] + b"\xff" * 16 + b"\0" * 64
        ),
        "architecture": lambda file: write_tiny(file, architecture="bert"),
        "no template": lambda file: write_tiny(file, template=None),
        "a template that drops the user": lambda file: write_tiny(file, template="{{ messages[0]['role'] }}"),
        "a tensor missing": lambda file: write_tiny(file, left_out="blk.1.ffn_up.weight"),
        "a tensor too many": lambda file: write_tiny(
            file, added={"rope_freqs.weight": np.ones(WIDTH // 8, dtype=np.float32)}
        ),
        "no end": lambda file: write_tiny(file, ends=False),
        "an end that is no number": lambda file: write_tiny(file, ends="last"),
    }[name]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("text", "is not a GGUF file"),
        ("empty", "is not a GGUF file"),
        ("magic alone", "is no whole GGUF file"),
        ("half a header", "is no whole GGUF file"),
        ("half", "is cut short"),
        ("a count that leads nowhere", "is no whole GGUF file"),
        ("architecture", "(architecture bert)"),
        ("no template", "holds no chat template: give one by --chat-template FILE.jinja"),
        ("a template that drops the user", "drops the system and the user text"),
        ("a tensor missing", "lacks weights"),
        ("a tensor too many", "rope_freqs.weight"),
        ("no end", "names no end token"),
        ("an end that is no number", "(architecture llama): invalid literal for int()"),
    ],
)
def test_a_file_that_can_t_be_converted_is_one_line_and_nothing_is_written(
    what: str, said: str, gyges: Gyges, tmp_path: Path
) -> None:
    _write(what)(tmp_path / "bad.gguf")
    done = gyges("model", "convert", str(tmp_path / "bad.gguf"), str(tmp_path / "models" / "bad"))
    assert done.code == 2, done.output
    assert len(done.said) == 1, done.output
    assert said in done.said[0]
    assert not list((tmp_path / "models").glob("*"))


def test_a_template_is_given_for_a_file_without_one(gyges: Gyges, tiny: Tiny, tmp_path: Path) -> None:
    write_tiny(tmp_path / "bare.gguf", template=None)
    (tmp_path / "chat.jinja").write_text(tiny.tokenizer.chat_template)
    arguments = ["model", "convert", str(tmp_path / "bare.gguf"), "model", "--chat-template"]
    assert gyges(*arguments, str(tmp_path / "gone.jinja")).code == 2
    done = gyges(*arguments, str(tmp_path / "chat.jinja"))
    assert done.code == 0, done.output
    assert done.output.splitlines()[-1].endswith("model")
    assert (tmp_path / "here" / "model" / "chat_template.jinja").read_text() == tiny.tokenizer.chat_template


def test_a_directory_that_exists_is_refused(gyges: Gyges, tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine.txt").write_text("mine")
    done = gyges("model", "convert", str(tiny.file), str(tmp_path / "there"))
    assert done.code == 2
    assert len(done.said) == 1
    assert "there exists: give a directory that doesn't" in done.said[0]
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["mine.txt"]
