"""Stages in turn, each in a process with a time limit: one that fails is recorded, and the others go on."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from benchmarks.gpu.request import Request

# Seconds of each stage, in order. A dry run has more: it may share its processor.
LIMITS: Mapping[str, float] = {
    "environment": 45,
    "engine_135m": 140,
    "engine_600m": 150,
    "recipe": 150,
    "kill_resume": 75,
    "beside_trl": 150,
}
DRY_FACTOR = 4
LAST_LINES = 12  # of a failed stage's output, kept in the result


@dataclass(frozen=True)
class Outcome:
    """The end of a stage: its result, or its error with a result of None."""

    seconds: float
    error: str | None
    result: Any


def run_stage(name: str, request: Request, limit_s: float, log: IO[str]) -> Outcome:
    """Run a stage in a process group of its own, which is killed at the limit; its output goes into the log."""
    asked, written = Path(request.scratch) / "request.json", Path(request.scratch) / f"{name}.json"
    request.write(asked)
    log.write(f"==== {name}, at most {limit_s:.0f} s\n")
    log.flush()
    before, started = log.tell(), time.monotonic()
    command = [sys.executable, "-m", "benchmarks.gpu.stage", name, str(asked), str(written)]
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        code: int | None = process.wait(timeout=limit_s)
    except subprocess.TimeoutExpired:
        code = None
    finally:
        _end(process)
    seconds = time.monotonic() - started
    if code == 0 and written.is_file():
        return Outcome(seconds, None, json.loads(written.read_text()))
    reason = f"stopped after {limit_s:.0f} s" if code is None else f"exit code {code}"
    return Outcome(seconds, f"{reason}: {_last_lines(Path(log.name), before)}", None)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the rest of the process group, such as the contenders of a stopped stage."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_lines(log: Path, since: int) -> str:
    with log.open(encoding="utf-8", errors="replace") as file:
        file.seek(since)
        return "\n".join(deque((line.rstrip() for line in file), LAST_LINES))
