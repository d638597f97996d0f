"""The checks of a model find what is wrong with one."""

import math
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from rl.models.check import check
from rl.models.convert import convert
from rl.models.ordinary_text import ORDINARY_TEXT, loss_of
from rl.policy.loading import load_policy
from tests.rl.conftest import Gyges
from tests.rl.models.tiny_gguf import write_tiny

WITHOUT_AN_END = "{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}\n{% endfor %}"


@pytest.fixture(scope="module")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checked")
    return convert(write_tiny(folder / "tiny.gguf").file, folder / "model")


def passed(directory: Path) -> dict[str, bool]:
    return {finding.check: finding.passed for finding in check(directory)}


def test_a_random_model_speaks_the_template_and_knows_no_english(random_model: Path) -> None:
    assert passed(random_model) == {
        "system turn": True,
        "template round trip": True,
        "end of a reply": True,
        "loss on ordinary text": False,
        "the same, words shuffled": False,
    }


def test_a_check_that_fails_is_exit_code_1(random_model: Path, gyges: Gyges) -> None:
    done = gyges("model", "check", str(random_model))
    assert done.code == 1, done.output
    table = [line for line in done.output.splitlines() if not line.startswith("gyges: ")]
    assert [line.split()[-1] for line in table[1:]] == ["passed"] * 3 + ["FAILED"] * 2
    nowhere = gyges("model", "check", "nowhere")
    assert nowhere.code == 2
    assert "nowhere holds no model" in nowhere.said[-1]


def test_a_template_without_an_end_of_the_reply_fails(random_model: Path, tmp_path: Path) -> None:
    directory = Path(shutil.copytree(random_model, tmp_path / "model"))
    (directory / "chat_template.jinja").write_text(WITHOUT_AN_END)
    assert passed(directory)["end of a reply"] is False


def test_the_loss_of_equal_logits_is_the_logarithm_of_the_vocabulary(random_model: Path, tmp_path: Path) -> None:
    directory = Path(shutil.copytree(random_model, tmp_path / "model"))
    weights = load_file(directory / "model.safetensors")
    # The output is tied to the embedding: rows of one value give every token the same logit.
    weights["model.embed_tokens.weight"].fill_(0.1)
    save_file(weights, directory / "model.safetensors", {"format": "pt"})
    policy = load_policy(directory, torch.device("cpu"))
    vocabulary = len(weights["model.embed_tokens.weight"])
    assert loss_of(policy, ORDINARY_TEXT) == pytest.approx(math.log(vocabulary), abs=1e-4)
