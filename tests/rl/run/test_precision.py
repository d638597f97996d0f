"""A run in bfloat16: float32 weights, the mismatch to the sampler recorded, the same end after a kill, and refusals."""

import json
import signal
from pathlib import Path

import pytest
import torch

import rl.run.folder
from rl.algorithms.dpo import DPO
from rl.policy.policy import Policy
from rl.run.config import RunConfig
from rl.run.loop import resume, train
from tests.conftest import Once
from tests.rl.conftest import fork, rows, same_weights, weights

MISMATCHES = ("mismatch_mean", "mismatch_max", "mismatch_kl", "mismatch_effective_share")


@pytest.fixture(scope="module")
def halved(tiny: RunConfig) -> RunConfig:
    return tiny.model_copy(update={"precision": "bfloat16"})


@pytest.fixture(scope="module")
def finished(halved: RunConfig, once: Once) -> Path:
    return once("halved", lambda folder: train(halved, folder))


def test_the_weights_stay_float32_and_the_mismatch_is_recorded(finished: Path, tiny: RunConfig, tmp_path: Path) -> None:
    assert {weight.dtype for weight in weights(finished, 4).values()} == {torch.float32}
    assert json.loads((finished / "manifest.json").read_text())["precision"] == "bfloat16"
    exact = train(tiny.model_copy(update={"steps": 2, "probes": ()}), tmp_path / "exact")
    assert json.loads((exact / "manifest.json").read_text())["precision"] == "float32"
    for row, other in zip(rows(finished, "steps.jsonl"), rows(exact, "steps.jsonl"), strict=False):
        assert other["mismatch_max"] < 1e-5 < 1e-4 < row["mismatch_mean"] < row["mismatch_max"] < 0.5
        assert other["mismatch_kl"] < 1e-9 < row["mismatch_kl"] < 0.05
        assert row["mismatch_effective_share"] < other["mismatch_effective_share"] <= 1 + 1e-9
        assert other["ratio_mean"] == pytest.approx(1, abs=1e-5)
    assert not same_weights(weights(finished, 2), weights(exact, 2))


def test_a_killed_run_resumes_to_the_same_end(finished: Path, halved: RunConfig, tmp_path: Path) -> None:
    run, append, taken = tmp_path / "run", rl.run.folder.RunFolder.append_step, 0

    def work() -> None:
        def killing(self: rl.run.folder.RunFolder, row: object) -> None:
            nonlocal taken
            taken += 1
            append(self, row)  # type: ignore[arg-type]
            if taken == 3:
                signal.raise_signal(signal.SIGKILL)

        rl.run.folder.RunFolder.append_step = killing  # type: ignore[method-assign,assignment]
        train(halved, run)

    assert fork(work, tmp_path / "output.txt").code() == -signal.SIGKILL
    resume(run)
    assert rows(run, "steps.jsonl") == rows(finished, "steps.jsonl")
    assert same_weights(weights(run, 4), weights(finished, 4))


def test_a_run_goes_on_in_the_precision_that_auto_chose(
    tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    config = tiny.model_copy(update={"precision": "auto", "probes": ()})
    run = train(config, tmp_path / "run")
    manifest, last, before = run / "manifest.json", weights(run, 4), rows(run, "steps.jsonl")
    assert json.loads(manifest.read_text())["precision"] == "bfloat16"
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {})  # another machine
    resume(run, 2)
    assert same_weights(weights(run, 4), last)
    assert rows(run, "steps.jsonl") == before


@pytest.mark.parametrize("other", [{"engine": "trl"}, {"algorithm": DPO(prompts_per_step=2, group_size=4)}])
def test_trainers_of_trl_are_refused(other: dict[str, object], halved: RunConfig, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="set precision to float32"):
        train(halved.model_copy(update=other), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_policy_in_float32_is_under_no_autocast(policy: Policy) -> None:
    ids = torch.tensor([[1, 2, 3]])
    assert policy.forward(input_ids=ids).logits.dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):  # a caller's own autocast stays as it is
        assert policy.forward(input_ids=ids).logits.dtype == torch.bfloat16
