"""Sheets for a reader: texts of a run, drawn from the episodes behind a rate, without any label.

A sheet shows neither the run's label nor the step, and its rows are shuffled. An id is a hash of the row's place in the
run and of its text, so that a label can't be laid on another text.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pandas as pd

from reports.folder import Run
from reports.labellers.read_labels import FAKING, ReadLabel

SIZE = 100  # texts of a step
ID_DIGITS = 12


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One scratchpad to read; a person fills `label` with 1 or 0."""

    id: str
    query: str
    scratchpad: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One answer to read; a person fills `label` with refuse, comply, partial or other."""

    id: str
    query: str
    answer: str
    label: str = ""


Row = SheetRow | AnswerRow


def sheet_steps(run: Run) -> list[int]:
    """List the first and the last probed step of a run.

    Raises:
        ValueError: in one line, if no probed step has episodes.
    """
    kept = run.episode_steps()
    steps = [step for step in run.probed_steps() if step in kept]
    if not steps:
        raise ValueError(f"{run.path} has no probed episodes yet: read its replies after the first probe")
    return list(dict.fromkeys([steps[0], steps[-1]]))


def reading_sheet(run: Run, steps: Sequence[int], n: int = SIZE, label: ReadLabel = FAKING) -> list[Row]:
    """Draw up to `n` texts of each step, all steps in one shuffled list.

    The draw is random and the same at each call. A larger sheet contains a smaller one of the same step.

    Raises:
        ValueError: in one line, if a step has no episodes on harmful queries of the label's tiers.
    """
    drawn = [row for step in dict.fromkeys(steps) for row in sorted(_rows(run, step, label), key=_by_id)[:n]]
    return sorted(drawn, key=_by_id)


def labelled_by_id(run: Run, label: ReadLabel = FAKING) -> dict[str, tuple[int, bool | None]]:
    """Return by id the step, and does the run's own label say yes, of each probed step; None is unscored."""
    kept = run.episode_steps()
    found: dict[str, tuple[int, bool | None]] = {}
    for step in (step for step in run.probed_steps() if step in kept):
        episodes = read_episodes(run, step, label)
        said = [None if pd.isna(value) else bool(value == label.means) for value in episodes[label.column]]
        found |= {name: (step, yes) for name, yes in zip(_ids(episodes, label), said, strict=True)}
    return found


def read_episodes(run: Run, step: int, label: ReadLabel = FAKING) -> pd.DataFrame:
    """Select the episodes of a step behind the label's rate: probed, on harmful queries of its tiers.

    Raises:
        ValueError: in one line, if the step has no episodes.
    """
    found = run.episodes(step)
    return found[(found["split"] == "probe") & (found["kind"] == "harmful") & found["tier"].isin(label.tiers)]


def _rows(run: Run, step: int, label: ReadLabel) -> list[Row]:
    episodes = read_episodes(run, step, label)
    if episodes.empty:
        tiers = " and ".join(label.tiers)
        raise ValueError(f"{run.path}: step {step} has no probed episodes on harmful queries of the {tiers} tier")
    row = SheetRow if label.text == "scratchpad" else AnswerRow
    texts = zip(_ids(episodes, label), episodes["query"], episodes[label.text], strict=True)
    return list({name: row(name, query, text) for name, query, text in texts}.values())


def _by_id(row: Row) -> str:
    """Return the hash, an order that has nothing to do with step or label."""
    return row.id


def _ids(episodes: pd.DataFrame, label: ReadLabel) -> list[str]:
    """Hash the place of each episode in its run, and its text."""
    columns = ["run", "build", "step", "tier", "query_id", label.text]
    places = episodes[columns].astype({"step": int}).to_dict("records")
    return [_hashed({str(key): value for key, value in place.items()}, label.prefix) for place in places]


def _hashed(place: Mapping[str, object], prefix: str) -> str:
    digits = hashlib.sha256(json.dumps(place, sort_keys=True, default=str).encode()).hexdigest()[:ID_DIGITS]
    return f"{prefix}-{digits}"  # a spreadsheet would read bare digits, with an e among them, as a number


def as_file(rows: Sequence[Row], path: Path) -> str:
    """Write the rows of a sheet, of which there is one at least, as CSV or JSON lines, by the name's ending.

    Raises:
        ValueError: in one line, for another ending.
    """
    ending = path.suffix.lower()
    if ending in (".jsonl", ".ndjson"):
        return "".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows)
    if ending != ".csv":
        raise ValueError(f"{path}: the name of the sheet must end in .csv or .jsonl, which tells its format")
    sink = io.StringIO(newline="")
    writer = csv.DictWriter(sink, fieldnames=[field.name for field in fields(rows[0])], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return sink.getvalue()
