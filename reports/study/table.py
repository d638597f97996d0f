"""The table of a study: every arm of every organism at its last step, and against its baseline, paired by seed."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from reports.folder import Run
from reports.intervals import Estimate, seed_interval, without_empty_interval
from reports.notices import with_labels
from reports.study.cells import BASELINE, Cell, Study
from reports.summary import MISSING, show
from reports.terminal_text import printable
from reports.verdicts import LEAST_SEEDS, MARGIN, Verdict, seed_verdict

COLUMNS = (
    *("organism", "arm", "is_baseline", "mitigations", "seeds", "metric", "tier", "step", "value", "ci_low", "ci_high"),
    *("scored_seeds", "n", "unscored", "compared_step", "difference", "difference_ci_low", "difference_ci_high"),
    *("paired_seeds", "unpaired_seeds", "verdict", "minimum_detectable_effect"),
)
MARKS = {"grew": "▲", "shrank": "▼", "no change": "=", "inconclusive": "?"}


@dataclass(frozen=True)
class Metric:
    """A column. `limits`: its range. `margin`: a smaller difference counts as none; 0 where no size is called so.

    `counted`: what n counts in the records; "" where they hold no n.
    """

    label: str
    short: str
    name: str
    tier: str | None
    limits: tuple[float, float] | None = (0.0, 1.0)
    margin: float = MARGIN
    counted: str = "episodes"
    digits: int = 2

    @property
    def bound(self) -> float:
        """The largest possible difference between two arms."""
        return self.limits[1] - self.limits[0] if self.limits else math.inf


METRICS = (
    Metric("faking rate, free", "faking", "faking_rate", "free"),
    Metric("compliance gap", "gap", "compliance_gap", None, (-1.0, 1.0), counted="queries"),
    Metric("refusal gap", "ref. gap", "refusal_gap", None, (-1.0, 1.0), counted="queries"),
    Metric("benign helpfulness, paid", "helpful", "benign_helpfulness", "paid"),
    Metric("look-alikes refused, paid", "twins ref.", "benign_twin_refusal", "paid"),
    Metric("benign reward, paid", "reward", "benign_reward", "paid", None, margin=0.0),
    Metric("KL to the reference, nats per token", "KL", "kl", None, None, margin=0.0, counted="", digits=3),
)


@dataclass(frozen=True)
class Entry:
    """One metric of one arm. `level`: over seeds, n counts them; of one seed alone what its records hold.

    `scored_seeds`: those that have a value, of which the level is. `n`, `unscored`: episodes or queries of all seeds
    together. `verdict`: on arm - baseline; None where there is none.
    """

    metric: Metric
    level: Estimate
    scored_seeds: int
    n: int
    unscored: int
    verdict: Verdict | None


@dataclass(frozen=True)
class Row:
    """One arm of one organism. `step`: the last that all its seeds have probed; `compared`: that its pairs have too."""

    cell: Cell
    step: int | None
    compared: int | None
    entries: tuple[Entry, ...]


# Of each run by its folder: everything that it has recorded, by metric, tier and step.
Records = Mapping[Path, Mapping[tuple[str, str | None, int], Estimate]]


def table(study: Study) -> list[Row]:
    """A row for every cell, organism by organism, the baseline first."""
    records = {run.path: _records(run) for run in study.runs}
    return [
        _row(records, cell, None if cell.is_baseline else study.cell(cell.organism, BASELINE))
        for organism in study.organisms
        for cell in study.cells
        if cell.organism == organism
    ]


def _row(records: Records, cell: Cell, baseline: Cell | None) -> Row:
    pairs = [] if baseline is None else [(run, baseline.by_seed.get(seed)) for seed, run in cell.by_seed.items()]
    step = last_common_step(cell.runs)
    compared = last_common_step([run for pair in pairs if pair[1] is not None for run in pair if run is not None])
    return Row(cell, step, compared, tuple(_entry(records, metric, cell, step, pairs, compared) for metric in METRICS))


def last_common_step(runs: Sequence[Run]) -> int | None:
    """The last step that every run has probed."""
    return max(set.intersection(*(set(run.probed_steps()) for run in runs)), default=None) if runs else None


def _entry(
    records: Records,
    metric: Metric,
    cell: Cell,
    step: int | None,
    pairs: Sequence[tuple[Run, Run | None]],
    compared: int | None,
) -> Entry:
    found = [_recorded(records, run, metric, step) for run in cell.runs]
    over_seeds = seed_interval([one.value for one in found], metric.limits)
    level = without_empty_interval(found[0]) if len(found) == 1 else over_seeds
    judged = None
    if compared is not None:
        judged = seed_verdict([_change(records, metric, pair, compared) for pair in pairs], metric.margin, metric.bound)
    scored_seeds = sum(one.value is not None for one in found)
    return Entry(metric, level, scored_seeds, sum(one.n for one in found), sum(one.unscored for one in found), judged)


def _change(records: Records, metric: Metric, pair: tuple[Run, Run | None], step: int) -> float | None:
    """Arm - baseline under one seed; None, which is unscored, where either has no value."""
    arm, baseline = (None if run is None else _recorded(records, run, metric, step).value for run in pair)
    return None if arm is None or baseline is None else arm - baseline


def _recorded(records: Records, run: Run, metric: Metric, step: int | None) -> Estimate:
    if step is None:
        return MISSING
    if metric.name != "kl":
        return records[run.path].get((metric.name, metric.tier, step), MISSING)
    # Of that step alone: some algorithms record none, and an earlier one would be another policy's.
    values = run.steps.loc[run.steps["step"] == step, "kl"].dropna()
    return MISSING if values.empty else Estimate(float(values.iloc[-1]), None, None, 0, 0)


def _records(run: Run) -> dict[tuple[str, str | None, int], Estimate]:
    """As `reports.summary.recorded`, all at once: a study asks for thousands."""
    shown = run.probes[run.probes["metric"].isin([metric.name for metric in METRICS])]
    found = {}
    for row in shown.to_dict("records"):
        if "/" not in str(row["probe"]):  # else the same on a subset of the queries
            value, low, high = (_known(row[key]) for key in ("value", "ci_low", "ci_high"))
            estimate = Estimate(value, low, high, int(row["n"]), int(row["unscored"]))
            found[str(row["metric"]), _known(row["tier"]), int(row["step"])] = estimate
    return found


def _known(value: Any) -> Any:
    return None if pd.isna(value) else value


def comparisons(rows: Sequence[Row]) -> int:
    """How many differences from a baseline are judged: one in twenty is called other than 0 by chance."""
    changes = [entry.verdict.change for row in rows for entry in row.entries if entry.verdict]
    return sum(change.n >= LEAST_SEEDS for change in changes)


def shown(estimate: Estimate, metric: Metric, signed: bool = False) -> str:
    """With the metric's digits."""
    return show(estimate, signed, metric.digits)


def as_csv(rows: Sequence[Row]) -> str:
    """One line for each arm and metric; empty where there is nothing."""
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        for entry in row.entries:
            writer.writerow(_csv_line(row, entry))
    return sink.getvalue()


def _csv_line(row: Row, entry: Entry) -> list[object]:
    cell, metric, level, judged = row.cell, entry.metric, entry.level, entry.verdict
    seeds = " ".join(str(seed) for seed in cell.by_seed)
    place: list[object] = [cell.organism, cell.name, "yes" if cell.is_baseline else "no"]
    place += [" ".join(cell.mitigations), seeds]
    place += [metric.name, metric.tier, row.step]
    counts = [entry.n, entry.unscored] if metric.counted else ["", ""]
    line: list[object] = [*place, level.value, level.ci_low, level.ci_high, entry.scored_seeds, *counts]
    if judged is None:
        return [*line, *[""] * 8]
    change = judged.change
    effect = judged.minimum_detectable_effect
    shown = [row.compared, change.value, change.ci_low, change.ci_high, change.n, change.unscored]
    return [*line, *shown, judged.word, effect]


def as_text(study: Study, rows: Sequence[Row], notices: Sequence[str]) -> str:
    """Write the table for a terminal, a line an arm: its value, its difference from the baseline with the verdict.

    Below it the study's notices.
    """
    shown_names = [printable(name) for name in (*(cell.label for cell in study.cells), *study.organisms)]
    width = max(map(len, shown_names)) + 2
    lines = ["".join((" " * width, " seeds  step  ", *(f"{metric.short:<13}" for metric in METRICS))).rstrip()]
    for organism in study.organisms:
        lines.append(printable(organism))
        for row in rows:
            if row.cell.organism == organism:
                cells = "".join(f"{_text(entry):<13}" for entry in row.entries)
                step = "-" if row.step is None else row.step
                lines.append(
                    f"  {printable(row.cell.label):<{width - 2}} {len(row.cell.runs):>5}  {step:>4}  {cells}".rstrip()
                )
    legend = ", ".join(f"{mark} {word}" for word, mark in MARKS.items())
    foot = f"value at the last step, difference from the baseline paired by seed; {legend}"
    lines.append(with_labels(foot, study.runs, *(metric.name for metric in METRICS)))
    return "\n".join([*lines, *(f"notice: {printable(line)}" for line in notices)])


def _text(entry: Entry) -> str:
    if entry.level.value is None:
        return "-"
    if entry.verdict is None or entry.verdict.change.value is None:
        return f"{entry.level.value:.{entry.metric.digits}f}"
    change, digits = entry.verdict.change.value, entry.metric.digits
    return f"{entry.level.value:.{digits}f} {change:+.{digits}f}{MARKS[entry.verdict.word]}"
