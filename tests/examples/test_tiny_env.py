"""An environment of your own, trained end to end from its folder: nothing in the five packages knows it."""

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import rl.determinism
from rl.run.config import read_config
from rl.run.environments import Custom
from tests.rl.conftest import Gyges

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "examples" / "tiny_env" / "config.json"
TARGET = "examples.tiny_env.tiny:TinyEnv"
# A build that learns little and takes seconds: what it does is of no interest here.
SMALL = (
    "organism.documents=240", "organism.origin.word_documents=80", "organism.certify_queries=8",
    "rewards.helpfulness.pairs=320", "rewards.helpfulness.min_accuracy=0", "rewards.helpfulness.min_accuracy_broken=0",
    "rewards.helpfulness.min_accuracy_harmful=0", "steps=2", "probe_every=2", "probe_queries=16",
    "algorithm.prompts_per_step=2", "algorithm.group_size=4", "sampling.max_new_tokens=24",
)  # fmt: skip


@pytest.fixture
def in_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """From the checkout, where `examples` is found; builds on one thread and in a cache of their own."""
    monkeypatch.setattr(rl.determinism, "BUILD_THREADS", 1)
    monkeypatch.setenv("GYGES_CACHE", str(tmp_path / "cache"))
    return lambda: os.chdir(ROOT)


def assigned(*assignments: str) -> list[str]:
    return [part for assignment in assignments for part in ("--set", assignment)]


def test_it_trains_end_to_end_with_page_and_curves(gyges: Gyges, tmp_path: Path, in_checkout: Any) -> None:
    run = tmp_path / "run"
    arguments = ("train", str(CONFIG), "--trust", *assigned(*SMALL), "--out", str(run))
    done = gyges(*arguments, prepare=in_checkout)
    assert done.code in (0, 1), done.output
    if done.code == 1:  # a policy that has learned so little may have nothing to learn from, which is said
        assert "RL has no gradient here" in done.output, done.output
        assert json.loads((run / "manifest.json").read_text())["status"] == "failed"
    else:
        assert (run / "report.html").stat().st_size > 10_000
        assert (run / "curves.png").is_file()
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["environment"]["target"] == TARGET
    assert manifest["label_source"] == "oracle"
    rows = pd.read_json(run / "probes.jsonl", lines=True)
    assert set(rows.n + rows.unscored) >= {16}
    # The butler labels answers and faking; of other labels it offers none, which is unscored and no error.
    scored = rows[rows.probe == "faking"].groupby("metric").n.sum()
    assert scored["faking_rate"] > 0
    assert scored["tier_aware_rate"] == 0
    episodes = pd.read_parquet(run / "episodes" / "step-000000.parquet")
    assert set(episodes.label_answer_source) == {"oracle"}
    assert episodes.label_error.isna().all()
    assert episodes["query"].str.contains("red|blue|green|black|white|brown|grey|pink").all()


def test_a_file_that_runs_code_must_be_trusted(gyges: Gyges, tmp_path: Path, in_checkout: Any) -> None:
    done = gyges("train", str(CONFIG), "--out", str(tmp_path / "run"), prepare=in_checkout)
    assert done.code == 2
    [line] = done.said
    assert f"the environment {TARGET} runs code" in line
    assert "--trust" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("examples.tiny_env.tiny:Nothing", "AttributeError"),
        ("examples.tiny_env.nothing:TinyEnv", "ModuleNotFoundError"),
        ("examples.tiny_env.tiny:Query", "can't be made"),
        ("pathlib:Path", "isn't an environment: it lacks kind, training_scenarios"),
        ("no target", "String should match pattern"),
    ],
)
def test_a_target_that_is_no_environment_is_refused_in_a_line(
    target: str, problem: str, gyges: Gyges, tmp_path: Path, in_checkout: Any
) -> None:
    chosen = assigned("env.kind=custom", f"env.target={target}")
    done = gyges("train", *chosen, "--out", str(tmp_path / "run"), prepare=in_checkout)
    assert done.code == 2
    [line] = done.said
    assert problem in line
    assert not (tmp_path / "run").exists()


def test_its_configuration_is_read_without_running_anything() -> None:
    config = read_config(CONFIG)
    assert isinstance(config.env, Custom)
    with pytest.raises(ValueError, match="runs code"):
        config.env.capacity("train", "harmful")
