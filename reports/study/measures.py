"""Numbers that mitigations noted of training rollouts, at the beginning and at the end of each arm.

They are means over the arm's builds, or over its seeds on one build.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from reports.folder import Run
from reports.intervals import Estimate, unit_interval
from reports.records import MEASURE_PREFIX
from reports.study.cells import Cell, Study
from reports.units import unit_values

SHARE = 4  # a quarter of the steps is averaged at either end
COLUMNS = (
    *("organism", "arm", "is_baseline", "mitigations", "builds", "seeds", "unit", "measure"),
    *("first_from_step", "first_to_step", "first", "first_ci_low", "first_ci_high", "first_scored_units"),
    *("last_from_step", "last_to_step", "last", "last_ci_low", "last_ci_high", "last_scored_units"),
)


@dataclass(frozen=True)
class Stretch:
    """The mean of a measure from one step to another, both included.

    The mean is taken for each run, then over units, builds or seeds; n counts units.
    """

    first: int
    last: int
    level: Estimate


@dataclass(frozen=True)
class Noted:
    """One measure of one arm over the first and the last quarter of its steps, at least one step each."""

    cell: Cell
    measure: str
    beginning: Stretch
    end: Stretch


def noted_measures(study: Study) -> list[Noted]:
    """Build a record for each measure of each arm; none where no mitigation notes anything.

    Only steps that all runs of an arm have reached count: the end of an unfinished arm is where its slowest run is.
    """
    return [noted for cell in study.cells for noted in _of_cell(cell)]


def _of_cell(cell: Cell) -> list[Noted]:
    begun = [run for run in cell.runs if len(run.steps)]
    columns = dict.fromkeys(
        column for run in begun for column in run.steps.columns if column.startswith(MEASURE_PREFIX)
    )
    reached = min((int(run.steps["step"].max()) for run in begun), default=0)
    steps = sorted({int(step) for run in begun for step in run.steps["step"] if step <= reached})
    quarter = max(1, len(steps) // SHARE)
    return [
        Noted(
            cell,
            column.removeprefix(MEASURE_PREFIX),
            _stretch(cell, column, steps[:quarter]),
            _stretch(cell, column, steps[-quarter:]),
        )
        for column in columns
    ]


def _stretch(cell: Cell, column: str, steps: Sequence[int]) -> Stretch:
    means = unit_values(cell.runs, lambda run: _mean(run, column, steps[0], steps[-1]))
    return Stretch(steps[0], steps[-1], unit_interval(means))


def _mean(run: Run, column: str, first: int, last: int) -> float | None:
    """Average a column over the steps of one run, from `first` to `last`.

    Steps without a value are left out. None where no step has a value: a recall of nothing isn't 0.
    """
    if column not in run.steps:
        return None
    values = pd.to_numeric(run.steps.loc[run.steps["step"].between(first, last), column]).dropna()
    return None if values.empty else float(values.mean())


def named(cell: Cell) -> list[str]:
    """Return the columns that name an arm: organism, arm, baseline, mitigations, builds, seeds and unit."""
    mark = "yes" if cell.is_baseline else "no"
    builds, seeds = (" ".join(map(str, of)) for of in (cell.builds, cell.seeds))
    return [cell.organism, cell.name, mark, " ".join(cell.mitigations), builds, seeds, cell.unit]


def measures_csv(measures: Sequence[Noted]) -> str:
    """Write a CSV with one line for each arm and measure; a missing value is an empty cell."""
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(COLUMNS)
    for noted in measures:
        cell = noted.cell
        writer.writerow([*named(cell), noted.measure, *_csv_part(noted.beginning), *_csv_part(noted.end)])
    return sink.getvalue()


def _csv_part(part: Stretch) -> list[object]:
    return [part.first, part.last, part.level.value, part.level.ci_low, part.level.ci_high, part.level.n]
