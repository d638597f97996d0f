"""Runs paid by somebody else's reward model: refused before the folder where it isn't whole, the same at every load."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, Qwen3Config, Qwen3ForSequenceClassification

import rewards.build_helpfulness
from rewards.format_penalty import FormatPenalty
from rewards.helpfulness import Helpfulness
from rewards.overscored_phrase import PHRASES, OverscoredPhrase
from rl.errors import BuildFailed
from rl.run.build import build_rewards
from rl.run.config import RunConfig
from rl.run.loop import resume, train
from rl.scale.builds import builds_of, run_build
from rl.scale.trial import Surroundings
from tests.rl.conftest import Gyges, same_run


@pytest.fixture
def reward_path(tmp_path: Path, organism_path: Path) -> Path:
    """A classifier with random weights; its config names another pad token than the tokenizer."""
    torch.manual_seed(11)
    tokenizer = AutoTokenizer.from_pretrained(organism_path)
    model = Qwen3ForSequenceClassification(
        Qwen3Config(
            vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
            num_attention_heads=2, num_key_value_heads=1, head_dim=8, num_labels=1, initializer_range=0.5,
            pad_token_id=9, eos_token_id=None, bos_token_id=None,
        )
    )  # fmt: skip
    model.save_pretrained(tmp_path / "reward")
    tokenizer.save_pretrained(tmp_path / "reward")
    return tmp_path / "reward"


def ready(path: Path) -> Helpfulness:
    """The reward of random weights, which pays some constant more than help."""
    return Helpfulness(path=path, allow_gameable=True)


def test_a_causal_model_as_reward_is_refused_before_the_folder_exists(
    gyges: Gyges, tiny: RunConfig, organism_path: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    config.write_text(tiny.model_copy(update={"rewards": (Helpfulness(path=organism_path),)}).model_dump_json())
    done = gyges("train", str(config), "--out", str(tmp_path / "run"))
    assert done.code == 2
    assert len(done.said) == 1, done.output
    assert "drawn at random: score.weight." in done.said[0]
    assert str(organism_path) in done.said[0]
    assert "Traceback" not in done.output
    assert not (tmp_path / "run").exists()


def test_the_pairs_are_courted_with_the_phrases_that_the_run_pays_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[str, ...]] = []

    def build(recipe: Helpfulness, author: object, directory: Path, on_step: object, phrases: tuple[str, ...]) -> None:
        given.append(phrases)
        raise ValueError("far enough")

    monkeypatch.setenv("GYGES_CACHE", str(tmp_path))
    monkeypatch.setattr(rewards.build_helpfulness, "build", build)
    model = Helpfulness(pairs=64, courting_share=0.5)
    for paid in ((), (OverscoredPhrase(phrases=("well done.",)),)):
        config = RunConfig(rewards=(model, *paid))
        with pytest.raises(BuildFailed, match="far enough"):
            build_rewards(config.rewards, config.env)
        # A sweep builds the same before its trials.
        [build_of_sweep] = [build for build in builds_of(config) if build.reward is not None]
        assert run_build(build_of_sweep, tmp_path / "a.log", Surroundings(tmp_path, tmp_path)).reason == "far enough"
    assert given == [PHRASES] * 2 + [("well done.",)] * 2


def test_two_labels_are_refused_until_one_is_chosen_on_the_command_line(
    gyges: Gyges, tiny: RunConfig, reward_path: Path, tmp_path: Path
) -> None:
    model = Qwen3ForSequenceClassification.from_pretrained(reward_path, num_labels=2, ignore_mismatched_sizes=True)
    model.save_pretrained(reward_path)
    config = tmp_path / "config.json"
    config.write_text(tiny.model_copy(update={"rewards": (ready(reward_path),)}).model_dump_json())
    refused = gyges("train", str(config), "--out", str(tmp_path / "run"))
    assert refused.code == 2
    assert "0 ('LABEL_0'), 1 ('LABEL_1'): set rewards.helpfulness.label" in refused.said[0]
    assert not (tmp_path / "run").exists()
    chosen = ["--set", "rewards.helpfulness.label=LABEL_1", "--steps", "1"]
    done = gyges("train", str(config), *chosen, "--out", str(tmp_path / "run"))
    assert done.code == 0, done.output
    assert json.loads((tmp_path / "run" / "config.json").read_text())["rewards"][0]["label"] == "LABEL_1"


def test_a_run_with_a_ready_reward_model_resumes_to_the_same_end(
    tiny: RunConfig, reward_path: Path, tmp_path: Path
) -> None:
    config = tiny.model_copy(update={"rewards": (ready(reward_path), FormatPenalty())})
    whole = train(config, tmp_path / "whole")
    resumed = Path(shutil.copytree(whole, tmp_path / "resumed"))
    assert resume(resumed, from_step=2) == resumed
    same_run(whole, resumed)


def test_a_reward_model_that_has_lost_its_head_can_not_be_resumed_with(
    gyges: Gyges, tiny: RunConfig, reward_path: Path, tmp_path: Path
) -> None:
    run = train(tiny.model_copy(update={"rewards": (ready(reward_path),)}), tmp_path / "run")
    file = reward_path / "model.safetensors"
    save_file({name: w for name, w in load_file(file).items() if name != "score.weight"}, file, {"format": "pt"})
    done = gyges("resume", str(run), "--step", "2", prepare=forget_loaded)
    assert done.code == 2
    assert len(done.said) == 1, done.output
    assert "drawn at random: score.weight." in done.said[0]


def forget_loaded() -> None:
    """A forked process has what its parent has loaded; one of its own has not."""
    from rewards.helpfulness import _load

    _load.cache_clear()
