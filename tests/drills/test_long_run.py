"""Two thousand steps: memory is flat and the folder grows by its rows alone."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from checkpoints import store
from rl.run.config import RunConfig

ROOT = Path(__file__).resolve().parents[2]
STEPS = {"builtin": 2000, "trl": 400}
WARM = 100  # steps after which everything that is made once has been made


def recorded(folder: Path) -> int:
    file = folder / "steps.jsonl"
    return file.read_bytes().count(b"\n") if file.exists() else 0


def watched(command: list[str], folder: Path) -> dict[int, int]:
    """Runs the command; the resident bytes of its process by step."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    resident: dict[int, int] = {}
    while process.poll() is None:
        try:
            resident[recorded(folder)] = psutil.Process(process.pid).memory_info().rss
        except psutil.NoSuchProcess:
            break
        time.sleep(0.05)
    assert process.wait() == 0, process.stderr and process.stderr.read().decode()
    return resident


@pytest.mark.slow
@pytest.mark.parametrize("engine", STEPS)
def test_memory_is_flat_and_the_folder_is_bounded(engine: str, tiny: RunConfig, tmp_path: Path) -> None:
    changes = {
        "steps": STEPS[engine], "engine": engine, "probe_every": 10_000, "checkpoint_every": 10, "keep_checkpoints": 2,
    }  # fmt: skip
    config = tmp_path / "config.json"
    config.write_text(tiny.model_copy(update=changes).model_dump_json())
    folder = tmp_path / "run"
    command = [sys.executable, "-c", "from rl.cli.main import main; main()", "train", str(config), "--out", str(folder)]
    resident = watched(command, folder)
    # The last probe and the page load more than a step does: they are not among the steps.
    steps = [step for step in resident if WARM <= step < STEPS[engine]]
    first = resident[min(steps)]
    print(f"\n{engine}: step: MB", {step: round(resident[step] / 1e6) for step in steps[:: max(1, len(steps) // 12)]})
    assert max(resident[step] for step in steps) <= 1.05 * first
    assert min(resident[step] for step in steps) >= 0.95 * first
    assert store.steps(folder / "checkpoints") == [0, STEPS[engine] - 20, STEPS[engine] - 10, STEPS[engine]]
    rows = (folder / "steps.jsonl").stat().st_size
    assert rows / STEPS[engine] < 2000  # bytes a step
    files = [file.stat().st_size for file in folder.rglob("*") if file.is_file() and "checkpoints" not in file.parts]
    assert sum(files) - rows < 8e6  # two probed steps, the curves and the page
