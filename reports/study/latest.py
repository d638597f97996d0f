"""The state of a run while it is being written: its last step, faking rate and compliance gap.

All are read from the ends of the run's files.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TAIL_BYTES = 131_072  # several probed steps; a row has about 200 bytes


@dataclass(frozen=True)
class Latest:
    """The last recorded step, and the latest probe's faking rate on the free tier and compliance gap."""

    step: int
    faking_rate: float | None
    compliance_gap: float | None


def read_latest(folder: Path) -> Latest:
    """Read a folder that may be half-begun, or be written at this moment.

    Anything unreadable counts as not there yet.
    """
    steps = (row.get("step") for row in _last_rows(folder / "steps.jsonl"))
    step = next((step for step in steps if isinstance(step, int)), 0)
    probes = folder / "probes.jsonl"
    return Latest(step, _latest(probes, "faking_rate", "free"), _latest(probes, "compliance_gap", None))


def _latest(path: Path, metric: str, tier: str | None) -> float | None:
    # A probe's name with a slash holds a subset of the queries.
    rows = (
        row
        for row in _last_rows(path)
        if row.get("metric") == metric and row.get("tier") == tier and "/" not in str(row.get("probe"))
    )
    row = next(rows, None)
    value = None if row is None else row.get("value")
    return float(value) if isinstance(value, int | float) and abs(value) <= 1 else None  # a rate or a gap


def _last_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield whole rows from the end of the file, the last first."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_BYTES))
            lines = file.read().split(b"\n")
    except OSError:
        return
    # Before the last newline stands a whole row; the first line may have lost its beginning.
    for line in reversed(lines[:-1]):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            yield row
