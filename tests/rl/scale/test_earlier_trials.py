"""A sweep in several calls: its pages hold what every one of them has finished."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from rl.run.config import RunConfig
from rl.run.loop import train
from rl.scale.sweep import Fleet, plan, run_sweep
from tests.rl.conftest import Gyges
from tests.rl.run.test_loop import having
from tests.rl.scale.test_sweep import sweep_file

LOCAL = Fleet("local", workers=1)


def finished_by_an_earlier_call(arm: RunConfig, seeds: Sequence[int], folder: Path) -> list[Path]:
    """The trials of a sweep of one arm, trained here: their folders are all that a call leaves to the next."""
    sweep = plan("mine", [arm], (0,), seeds, 1, folder)
    return [train(trial.config, trial.folder) for trial in sweep.trials]


def shown(folder: Path) -> list[str]:
    return list(json.loads((folder / "sweep.json").read_text())["page"])


def test_more_seeds_are_laid_out_with_those_of_earlier_calls(gyges: Gyges, tiny: RunConfig, tmp_path: Path) -> None:
    sweep = sweep_file(having(tiny, steps=1), tmp_path)
    command = [
        "sweep",
        sweep,
        "--no-null-arm",
        "--backend",
        "local",
        "--workers",
        "1",
        "--out",
        str(tmp_path / "sweep"),
    ]
    finished_by_an_earlier_call(having(tiny, steps=1), (2, 3), tmp_path / "sweep")
    done = gyges(*command, "--seeds", "0..1")
    assert done.code == 0, done.output
    assert done.output.count("n: seeds of one build") == 1  # one table over all four
    assert [name.split("-")[1] for name in shown(tmp_path / "sweep")] == ["0", "1", "2", "3"]
    page = (tmp_path / "sweep" / "report.html").read_text()
    for run in (tmp_path / "sweep" / "trials").iterdir():
        assert f"</span>{run.name}</h3>" in page
    before = (tmp_path / "sweep" / "report.html").stat().st_mtime_ns
    again = gyges(*command, "--seeds", "3")
    assert "nothing left to do: all 1 trials have ended before" in again.output
    assert (tmp_path / "sweep" / "report.html").stat().st_mtime_ns == before
    assert len(shown(tmp_path / "sweep")) == 4


def test_other_arms_are_laid_out_and_what_cannot_be_is_named(tiny: RunConfig, tmp_path: Path) -> None:
    small = having(tiny, steps=1)
    [finished], [dropped] = (
        finished_by_an_earlier_call(arm, (0,), tmp_path / "sweep") for arm in (small, having(small, name="dropped"))
    )
    trials = tmp_path / "sweep" / "trials"
    for name, status in (("stopped", "interrupted"), ("broken", "failed")):
        train(having(small, name=name, threads=1), trials / name)
        manifest = json.loads((trials / name / "manifest.json").read_text())
        changed = {**manifest, "status": status, "reason": "no gradient"}
        (trials / name / "manifest.json").write_text(json.dumps(changed))
    shutil.copytree(dropped, trials / "copied")
    (trials / "empty").mkdir()

    result = run_sweep(plan("mine", [small], (0,), (0, 1), 1, tmp_path / "sweep"), LOCAL, retry_failed=False, say=print)
    assert [trial.folder.name for trial in result.shown] == shown(tmp_path / "sweep")
    assert [(trial.config.name, trial.config.seed) for trial in result.shown][:2] == [("tiny", 0), ("tiny", 1)]
    kept = {trial.folder for trial in result.shown}
    assert finished in kept
    assert len(kept & {dropped, trials / "copied"}) == 1  # one of two with the same configuration
    assert len(kept) == 3
    broken, repeated, empty, stopped = result.left_out
    assert broken == "broken is left out: it failed (no gradient)"
    assert "its configuration is that of" in repeated
    assert empty.startswith("empty is left out: can't read")
    assert "stopped is left out: it has not finished (its status is interrupted); `gyges resume" in stopped
    page = (tmp_path / "sweep" / "report.html").read_text()
    assert '<p class="notice">broken is left out: it failed (no gradient)</p>' in page
    assert set(result.outcomes) == {
        trial.name for trial in plan("mine", [small], (0,), (0, 1), 1, tmp_path / "sweep").trials
    }
