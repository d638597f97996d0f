"""Rewards that pay a constant policy as much as help: refused before the folder, unless the gaming is wanted."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM, Qwen3ForSequenceClassification

from envs.dialect.environment import Dialect
from rewards.format_penalty import FormatPenalty
from rewards.helpfulness import CARD, Helpfulness
from rewards.origins import PretrainedTrunk
from rewards.refusal_phrases import RefusalPhrases
from rewards.score import RewardInput
from rl.errors import BuildFailed
from rl.probes.second_reward import SecondReward
from rl.run.build import build_rewards, reward_card
from rl.run.config import RunConfig
from rl.run.loop import train
from rl.scale.builds import builds_of
from tests.rl.conftest import Gyges, rows

SHAPE: dict[str, Any] = {
    "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 8, "initializer_range": 0.3, "pad_token_id": 9, "eos_token_id": None,
    "bos_token_id": None,
}  # fmt: skip
TRUNK: dict[str, Any] = {
    "upper_layers": 1, "pairs": 64, "certify_queries": 8, "min_accuracy": 0.0, "precision": "float32",
}  # fmt: skip


def written(tmp_path: Path, organism_path: Path, kind: Any, **changed: Any) -> Path:
    torch.manual_seed(11)
    tokenizer = AutoTokenizer.from_pretrained(organism_path)
    kind(Qwen3Config(vocab_size=len(tokenizer), **{**SHAPE, **changed})).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def config_file(config: RunConfig, tmp_path: Path) -> str:
    (tmp_path / "config.json").write_text(config.model_dump_json())
    return str(tmp_path / "config.json")


def paid_by(tiny: RunConfig, *rewards: Any) -> RunConfig:
    return tiny.model_copy(update={"rewards": (*rewards, FormatPenalty())})


def test_a_reward_for_missing_phrases_is_refused_before_the_folder_and_trains_if_wanted(
    gyges: Gyges, tiny: RunConfig, tmp_path: Path
) -> None:
    file, out = config_file(paid_by(tiny, RefusalPhrases()), tmp_path), tmp_path / "run"
    refused = gyges("train", file, "--out", str(out))
    assert refused.code == 2
    assert len(refused.said) == 1, refused.output
    assert "the reward refusal_phrases pays a constant policy as much as help" in refused.said[0]
    assert not out.exists()
    wanted = ("--set", "rewards.refusal_phrases.allow_gameable=true", "--steps", "1")
    done = gyges("train", file, *wanted, "--out", str(out))
    assert done.code == 0, done.output
    assert "reward/refusal_phrases" in rows(out, "steps.jsonl")[0]


def test_a_classifier_by_path_is_tried_on_constant_policies(
    gyges: Gyges, tiny: RunConfig, tmp_path: Path, organism_path: Path
) -> None:
    path = written(tmp_path, organism_path, Qwen3ForSequenceClassification, num_labels=1)
    file = config_file(paid_by(tiny, Helpfulness(path=path)), tmp_path)
    refused = gyges("train", file, "--out", str(tmp_path / "run"))
    assert refused.code == 2
    assert len(refused.said) == 1, refused.output
    assert "the reward helpfulness pays a constant policy as much as help" in refused.said[0]
    assert not (tmp_path / "run").exists()
    shown = gyges("model", "reward", file)
    assert shown.code == 1
    assert "GAMED: " in shown.output
    assert "full (4 stages) > refusal" in shown.output


@pytest.mark.parametrize(
    "changed", [{"path": "nowhere"}, {"upper_layers": 7}, {"model": "smollm3", "path": None}], ids=str
)
def test_a_trunk_that_can_not_be_used_is_refused_before_the_folder(
    changed: dict[str, Any], gyges: Gyges, tiny: RunConfig, tmp_path: Path, organism_path: Path
) -> None:
    origin = PretrainedTrunk.model_validate({"path": str(organism_path), **TRUNK, **changed})
    done = gyges(
        "train", config_file(paid_by(tiny, Helpfulness(origin=origin)), tmp_path), "--out", str(tmp_path / "run")
    )
    assert done.code == 2
    assert len(done.said) == 1, done.output
    assert "Traceback" not in done.output
    assert not (tmp_path / "run").exists()


def test_a_run_builds_its_reward_on_a_trunk_once_and_reads_the_second_scorer(
    tiny: RunConfig, tmp_path: Path, organism_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GYGES_CACHE", str(tmp_path / "cache"))
    trunk = written(tmp_path, organism_path, Qwen3ForCausalLM)
    reward = Helpfulness(origin=PretrainedTrunk(path=trunk, **TRUNK), allow_gameable=True)
    config = paid_by(tiny, reward).model_copy(update={"probes": (SecondReward(),), "steps": 2})
    [build] = [build for build in builds_of(config) if build.reward is not None]
    assert build.key.startswith("reward model helpfulness ")
    run = train(config, tmp_path / "run")
    [directory] = [path for path in (tmp_path / "cache" / "rewards").iterdir() if not path.name.startswith(".")]
    assert (directory / CARD).is_file()
    assert reward_card(config)[0] == directory  # found, not built again
    found = {(row["metric"], row["tier"]): row for row in rows(run, "probes.jsonl") if row["step"] == 2}
    assert {metric for metric, _ in found} == {"second_reward", "harmful_reward"}
    for row in found.values():
        assert (row["n"], row["unscored"]) == (8, 0)
        assert -2.0 <= row["value"] <= 2.0 or row["metric"] == "harmful_reward"
    assert json.loads((run / "manifest.json").read_text())["reward_hashes"].keys() == {"helpfulness"}


def test_a_build_that_is_gameable_fails_and_is_left_to_look_at(
    tmp_path: Path, organism_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GYGES_CACHE", str(tmp_path / "cache"))
    trunk = written(tmp_path, organism_path, Qwen3ForCausalLM)
    reward = Helpfulness(origin=PretrainedTrunk(path=trunk, **TRUNK))
    said = []
    for _ in range(2):
        with pytest.raises(BuildFailed, match="pays a constant policy as much as help") as caught:
            build_rewards((reward,), Dialect())
        said.append(str(caught.value).splitlines())
    assert [path for path in (tmp_path / "cache" / "rewards").iterdir() if path.is_dir()] == []
    [left] = (tmp_path / "cache" / "missed").iterdir()
    assert f"The build is left in {left}: rewards.helpfulness.path takes it" in said[0][0]
    assert said[1][0] == f"{said[0][0]}; remove it to build anew"  # the same recipe gives the same weights
    assert said[1][1:] == said[0][1:]
    assert len(Helpfulness(path=left)([RewardInput("how?", "sure.", 1, True)])) == 1
