"""The measurement of a card: stages that fail are recorded, random models fit the engine, and the dry run ends well."""

import json
import os
import subprocess
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement

from benchmarks.gpu.own_metadata import provide_metadata
from benchmarks.gpu.random_models import TOY_LLAMA, TOY_QWEN3, Shape, random_model
from benchmarks.gpu.request import Request
from benchmarks.gpu.run import main
from benchmarks.gpu.stages import LIMITS, Outcome, run_stage
from benchmarks.gpu.summary import lines
from rl.policy.loading import load_policy
from rl.policy.shortcuts import EVERY_SHORTCUT

ROOT = Path(__file__).parents[3]


def request_in(folder: Path) -> Request:
    return Request(dry=True, model=None, scratch=str(folder), out=str(folder))


def test_metadata_are_written_where_the_package_isn_t_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert not provide_metadata(tmp_path / "unused")

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    with monkeypatch.context() as patched:
        patched.setattr(metadata, "version", missing)
        assert provide_metadata(tmp_path / "written")
    found = {one.metadata["Name"]: one for one in metadata.distributions(path=[str(tmp_path / "written")])}
    assert found["gyges"].version == metadata.version("gyges")
    required = {requirement.name: requirement for requirement in map(Requirement, found["gyges"].requires or [])}
    assert metadata.version("trl") in required["trl"].specifier
    assert {"torch", "transformers", "peft"} < set(required)
    assert os.environ["PYTHONPATH"].split(os.pathsep) == [str(tmp_path / "written"), str(ROOT)]


def test_a_request_is_read_as_it_was_written(tmp_path: Path) -> None:
    request_in(tmp_path).write(tmp_path / "request.json")
    assert Request.read(tmp_path / "request.json") == request_in(tmp_path)


def test_a_stage_that_fails_or_takes_too_long_is_recorded(tmp_path: Path) -> None:
    with (tmp_path / "log.txt").open("w") as log:
        failed = run_stage("nonsense", request_in(tmp_path), 60, log)
        late = run_stage("environment", request_in(tmp_path), 0.05, log)
    assert failed.result is None
    assert failed.error is not None
    assert failed.error.startswith("exit code 1")
    assert "no stage is called nonsense" in failed.error
    assert late.error is not None
    assert late.error.startswith("stopped after")
    assert late.seconds < 5
    text = "\n".join(lines({"nonsense": failed, "environment": late}, dry=True))
    assert "toy size" in text
    assert text.endswith("failed: nonsense, environment")


def test_the_exit_code_tells_that_a_stage_failed(tmp_path: Path) -> None:
    assert main([str(tmp_path / "out"), "--dry", "--stages", "kill_resume", "--limit", "0"]) == 1
    stages = json.loads((tmp_path / "out" / "gpu.json").read_text())["stages"]
    assert stages["kill_resume"]["error"] == "no time was left for it"
    assert "kill_resume: FAILED" in (tmp_path / "out" / "summary.txt").read_text()
    assert main([str(tmp_path / "other"), "--model", str(tmp_path)]) == 2
    assert not (tmp_path / "other").exists()


def test_the_limits_fit_ten_minutes() -> None:
    assert sum(LIMITS.values()) < 720  # few stages need their limit, and none runs beyond the time of all
    assert max(LIMITS.values()) <= 150


@pytest.mark.parametrize("shape", [TOY_LLAMA, TOY_QWEN3], ids=lambda shape: shape.family)
def test_a_random_model_is_read_with_every_short_cut_and_ends_replies(shape: Shape, tmp_path: Path) -> None:
    policy = load_policy(random_model(shape, tmp_path), torch.device("cpu"))
    assert replace(policy.shortcuts, window=None) == EVERY_SHORTCUT
    assert policy.model.config.vocab_size == shape.vocab_size > len(policy.tokenizer)
    ids = torch.randint(0, shape.vocab_size, (64, 12), generator=torch.Generator().manual_seed(0))
    ending = torch.softmax(policy.plain_logits(ids, 12), dim=-1)[..., list(policy.end_ids)].sum(dim=-1)
    assert 0.005 < float(ending.mean()) < 0.5


def test_a_good_outcome_has_its_figures_in_the_summary() -> None:
    engine = {
        "rollout_tokens_per_s": 1234.0, "decode_tokens_per_s": 5678.0, "decode_ms_per_step": 1.5,
        "decode_share_of_matrix_rate": 0.01, "decode_share_of_bandwidth": 0.25, "learner_tokens_per_s": 91011.0,
        "learner_share_of_matrix_rate": 0.33, "mismatch_mean": 0.04, "mismatch_max": 0.2, "mismatch_kl": 0.001,
        "mismatch_effective_share": 0.997,
    }  # fmt: skip
    result = {"parameters": 135e6, "weights": "random", "variants": {"bfloat16, graph": engine}}
    text = "\n".join(lines({"engine_135m": Outcome(3.0, None, result)}, dry=False))
    for figure in ("1234", "5678", "91011", "0.250", "0.330", "mean 0.04", "0.9970", "all stages ended well"):
        assert figure in text
    assert "toy" not in text


@pytest.mark.slow
def test_the_dry_run_ends_well_in_every_stage(tmp_path: Path) -> None:
    done = subprocess.run([ROOT / "benchmarks" / "gpu.sh", tmp_path / "out", "--dry"], check=False)
    found = json.loads((tmp_path / "out" / "gpu.json").read_text())
    assert {name: stage["error"] for name, stage in found["stages"].items()} == dict.fromkeys(LIMITS)
    assert done.returncode == 0
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"gpu.json", "summary.txt", "log.txt", "report.html", "curves.png", "steps.jsonl"}
    assert found["stages"]["kill_resume"]["result"]["same"] == {"weights": True, "rows": True}
