"""Stage `kill_resume`: the run of the stage `recipe` again, killed with -9 and resumed to the same weights."""

import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu.recipe import command, steps_of
from benchmarks.gpu.request import Request
from checkpoints import store
from checkpoints.checksums import sha256_of
from rl.run.loop import resume

CLOCKS = ("seconds_", "tokens_per_s")


def measure(request: Request) -> dict[str, Any]:
    """Kill the run in its step after the first new checkpoint, resume it and compare weights and rows.

    Raises:
        RuntimeError: if the stage `recipe` left no run, the run ended before it was killed, or its end is another.
    """
    if not (request.run / "config.json").is_file():
        raise RuntimeError("the stage recipe left no run to repeat")
    again = request.run.with_name("killed")
    killed_at = _killed(request.run / "config.json", again)
    resume(again)
    same = {
        "weights": _weights(request.run) == _weights(again),
        "rows": _rows(request.run) == _rows(again),
    }
    found = {"killed_after_row": killed_at, "same": same, "sha256": _weights(again)}
    if not all(same.values()):
        raise RuntimeError(f"the resumed run isn't the one that was never stopped: {found}")
    return found


def _killed(config: Path, run: Path) -> int:
    """Start the run and kill it once a step is recorded behind a checkpoint; return the number of rows written."""
    process = subprocess.Popen(command(["train", str(config), "--out", str(run)]))
    try:
        while process.poll() is None:
            taken, saved = len(steps_of(run)), _newest(run)
            if saved and taken > saved:
                return taken
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    raise RuntimeError(f"the run ended with exit code {process.returncode} before it could be killed")


def _newest(run: Path) -> int:
    folder = run / "checkpoints"
    return (store.newest(folder) or 0) if folder.is_dir() else 0


def _weights(run: Path) -> str:
    return sha256_of(run / "checkpoints" / store.step_name(_newest(run)) / "model.safetensors")


def _rows(run: Path) -> list[dict[str, Any]]:
    """Return the rows of the steps without what a clock wrote."""
    return [{key: row[key] for key in row if not key.startswith(CLOCKS)} for row in steps_of(run)]
