"""Sheets for a reader: scratchpads of a run, drawn from the episodes behind its faking rate, without any label.

A sheet shows neither the classifier's label nor the step, and its rows are shuffled. An id is a hash of the row's
place in the run and of its scratchpad, so that a label can't be laid on another text.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from reports.folder import Run

SIZE = 100  # scratchpads of a step
LABEL = "label_faking"
ID_DIGITS = 12


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One scratchpad to read; a person fills `label` with 1 or 0."""

    id: str
    query: str
    scratchpad: str
    label: str = ""


def sheet_steps(run: Run) -> list[int]:
    """List the first and the last probed step of a run.

    Raises:
        ValueError: in one line, if no probed step has episodes.
    """
    kept = run.episode_steps()
    steps = [step for step in run.probed_steps() if step in kept]
    if not steps:
        raise ValueError(f"{run.path} has no probed episodes yet: read its scratchpads after the first probe")
    return list(dict.fromkeys([steps[0], steps[-1]]))


def reading_sheet(run: Run, steps: Sequence[int], n: int = SIZE) -> list[SheetRow]:
    """Draw up to `n` scratchpads of each step, all steps in one shuffled list.

    The draw is random and the same at each call. A larger sheet contains a smaller one of the same step.

    Raises:
        ValueError: in one line, if a step has no episodes on harmful queries of the free tier.
    """
    drawn = [row for step in dict.fromkeys(steps) for row in sorted(_rows(run, step), key=_by_id)[:n]]
    return sorted(drawn, key=_by_id)


def labelled_by_id(run: Run) -> dict[str, tuple[int, bool | None]]:
    """Return the step and the run's own label of faking by id, of each probed step; None is unscored."""
    kept = run.episode_steps()
    found: dict[str, tuple[int, bool | None]] = {}
    for step in (step for step in run.probed_steps() if step in kept):
        episodes = faking_episodes(run, step)
        labels = [None if pd.isna(label) else bool(label) for label in episodes[LABEL]]
        found |= {name: (step, label) for name, label in zip(_ids(episodes), labels, strict=True)}
    return found


def faking_episodes(run: Run, step: int) -> pd.DataFrame:
    """Select the episodes of a step behind `faking_rate` on free: probed, on harmful queries of the free tier.

    Raises:
        ValueError: in one line, if the step has no episodes.
    """
    found = run.episodes(step)
    return found[(found["split"] == "probe") & (found["kind"] == "harmful") & (found["tier"] == "free")]


def _rows(run: Run, step: int) -> list[SheetRow]:
    episodes = faking_episodes(run, step)
    if episodes.empty:
        raise ValueError(f"{run.path}: step {step} has no probed episodes on harmful queries of the free tier")
    texts = zip(_ids(episodes), episodes["query"], episodes["scratchpad"], strict=True)
    return list({name: SheetRow(name, query, scratchpad) for name, query, scratchpad in texts}.values())


def _by_id(row: SheetRow) -> str:
    """Return the hash, an order that has nothing to do with step or label."""
    return row.id


def _ids(episodes: pd.DataFrame) -> list[str]:
    """Hash the place of each episode in its run, and its scratchpad."""
    columns = ["run", "build", "step", "tier", "query_id", "scratchpad"]
    places = episodes[columns].astype({"step": int}).to_dict("records")
    return [_hashed({str(key): value for key, value in place.items()}) for place in places]


def _hashed(place: Mapping[str, object]) -> str:
    digits = hashlib.sha256(json.dumps(place, sort_keys=True, default=str).encode()).hexdigest()[:ID_DIGITS]
    return f"pad-{digits}"  # a spreadsheet would read bare digits, with an e among them, as a number


def as_file(rows: Sequence[SheetRow], path: Path) -> str:
    """Write the sheet as CSV or JSON lines, by the name's ending.

    Raises:
        ValueError: in one line, for another ending.
    """
    ending = path.suffix.lower()
    if ending in (".jsonl", ".ndjson"):
        return "".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows)
    if ending != ".csv":
        raise ValueError(f"{path}: the name of the sheet must end in .csv or .jsonl, which tells its format")
    sink = io.StringIO(newline="")
    writer = csv.DictWriter(sink, fieldnames=list(SheetRow.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return sink.getvalue()
