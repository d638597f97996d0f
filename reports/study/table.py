"""The table of a study: every arm of every organism at its last step, and against its baseline.

The two are paired by build and seed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from scipy import stats

from reports.folder import Run
from reports.intervals import Estimate, rate, student_quantile, unit_interval, without_empty_interval
from reports.notices import has_collapsed
from reports.study.cells import BASELINE, Cell, Study
from reports.study.spread import Spread, spread
from reports.summary import MISSING
from reports.units import by_build, unit_values
from reports.verdicts import MARGIN, Verdict, unit_verdict

FALSE_DISCOVERIES = 0.05  # of the differences called in a whole table


@dataclass(frozen=True)
class Metric:
    """A column of the table.

    `limits`: the metric's range. `margin`: a smaller difference counts as no change; 0 for a metric without such a
    margin. `counted`: the items that n counts in the records; "" where records hold no n.
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
    """One metric of one arm.

    `level`: the mean over units, builds or seeds on one build, where n counts units; for a single run, its recorded
    value. `scored_units`: the number of units with a value. `n`, `unscored`: episodes or queries of all runs together.
    `spread`: the variance components of the level. `verdict`: on arm - baseline; None without a baseline. `survives`:
    the difference is still called at a false discovery rate of 5 % over the whole table; None where no test was made.
    """

    metric: Metric
    level: Estimate
    scored_units: int
    spread: Spread
    n: int
    unscored: int
    verdict: Verdict | None
    survives: bool | None = None


@dataclass(frozen=True)
class Row:
    """One arm of one organism.

    `step`: the last step that all runs have probed. `compared`: the last step that the runs paired with the baseline,
    and their baseline runs, have all probed. `collapsed`: the share of runs that collapsed; n counts runs.
    """

    cell: Cell
    step: int | None
    compared: int | None
    collapsed: Estimate
    entries: tuple[Entry, ...]


# Recorded estimates by run folder, then by metric, tier and step.
Records = Mapping[Path, Mapping[tuple[str, str | None, int], Estimate]]


def table(study: Study) -> list[Row]:
    """Build a row for every cell, organism by organism, the baseline first."""
    records = {run.path: _records(run) for run in study.runs}
    rows = [
        _row(records, cell, None if cell.is_baseline else study.cell(cell.organism, BASELINE))
        for organism in study.organisms
        for cell in study.cells
        if cell.organism == organism
    ]
    return _with_discoveries(rows)


def _with_discoveries(rows: Sequence[Row]) -> list[Row]:
    """Mark the differences that survive Benjamini & Hochberg (1995, JRSS B 57:289-300) over all rows but null arms."""
    tested = [entry.verdict.p_value for row in rows if not row.cell.is_null for entry in row.entries if entry.verdict]
    known = [p_value for p_value in tested if p_value is not None and math.isfinite(p_value)]
    adjusted = iter(stats.false_discovery_control(known) if known else ())

    def marked(entry: Entry) -> Entry:
        p_value = entry.verdict.p_value if entry.verdict else None
        if p_value is None or not math.isfinite(p_value):
            return entry
        return replace(entry, survives=bool(next(adjusted) <= FALSE_DISCOVERIES))

    return [
        row if row.cell.is_null else replace(row, entries=tuple(marked(entry) for entry in row.entries)) for row in rows
    ]


def _row(records: Records, cell: Cell, baseline: Cell | None) -> Row:
    pairs = {} if baseline is None else {run.path: baseline.by_place.get(place) for place, run in cell.by_place.items()}
    step = last_common_step(cell.runs)
    paired = [run for run in cell.runs if pairs.get(run.path) is not None]
    compared = last_common_step([*paired, *(run for run in pairs.values() if run is not None)])
    entries = tuple(_entry(records, metric, cell, step, pairs, compared) for metric in METRICS)
    return Row(cell, step, compared, rate([has_collapsed(run) for run in cell.runs]), entries)


def last_common_step(runs: Sequence[Run]) -> int | None:
    """Find the last step that every run has probed, or None."""
    return max(set.intersection(*(set(run.probed_steps()) for run in runs)), default=None) if runs else None


def _entry(
    records: Records,
    metric: Metric,
    cell: Cell,
    step: int | None,
    pairs: Mapping[Path, Run | None],
    compared: int | None,
) -> Entry:
    found = [_recorded(records, run, metric, step) for run in cell.runs]
    of_run = {run.path: one.value for run, one in zip(cell.runs, found, strict=True)}
    over_units = unit_interval(unit_values(cell.runs, lambda run: of_run[run.path]), metric.limits)
    level = without_empty_interval(found[0]) if len(found) == 1 else over_units
    judged = None
    if compared is not None:
        changes = unit_values(cell.runs, lambda run: _change(records, metric, run, pairs.get(run.path), compared))
        errors = by_build(cell.runs, lambda run: _error(records, metric, (run, pairs.get(run.path)), compared))
        judged = unit_verdict(changes, metric.margin, metric.bound, _error_of_mean(errors))
    n, unscored = sum(one.n for one in found), sum(one.unscored for one in found)
    components = spread(by_build(cell.runs, lambda run: of_run[run.path]))
    return Entry(
        metric,
        level,
        int(found[0].value is not None) if len(found) == 1 else over_units.n,
        components,
        n,
        unscored,
        judged,
    )


def _change(records: Records, metric: Metric, run: Run, baseline: Run | None, step: int) -> float | None:
    """Compute arm - baseline on one build and seed; None, which is unscored, if either has no value."""
    arm, other = (None if one is None else _recorded(records, one, metric, step).value for one in (run, baseline))
    return None if arm is None or other is None else arm - other


def _error(records: Records, metric: Metric, pair: tuple[Run, Run | None], step: int) -> float | None:
    """Compute the standard error of a run's change that its probes' samples leave; None where no interval is recorded.

    It is that of independent samples, which errs on the safe side: a pair shares queries and seed.
    """
    found = [MISSING if run is None else _recorded(records, run, metric, step) for run in pair]
    halves = [(one.ci_high - one.ci_low) / 2 for one in found if one.ci_low is not None and one.ci_high is not None]
    return math.hypot(*halves) / student_quantile(0.975, math.inf) if len(halves) == len(pair) else None


def _error_of_mean(errors: Mapping[str, Sequence[float | None]]) -> float | None:
    """Compute the standard error of the mean over builds of their means over seeds; with one build, over its seeds."""
    known = [[error for error in of if error is not None] for of in errors.values()]
    of_builds = [math.hypot(*of) / len(of) for of in known if of]
    return math.hypot(*of_builds) / len(of_builds) if of_builds else None


def _recorded(records: Records, run: Run, metric: Metric, step: int | None) -> Estimate:
    if step is None:
        return MISSING
    if metric.name != "kl":
        return records[run.path].get((metric.name, metric.tier, step), MISSING)
    # Of that step alone: some algorithms record none, and an earlier one would be another policy's.
    values = run.steps.loc[run.steps["step"] == step, "kl"].dropna()
    return MISSING if values.empty else Estimate(float(values.iloc[-1]), None, None, 0, 0)


def _records(run: Run) -> dict[tuple[str, str | None, int], Estimate]:
    """Read all records that the table shows, in one pass.

    Values are those of `reports.summary.recorded`, which would be slow here: a study asks for thousands.
    """
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
    """Count the differences from a baseline that get a verdict.

    By chance, one in twenty of them is called other than 0.
    """
    judged = [entry.verdict for row in rows for entry in row.entries if entry.verdict]
    return sum(verdict.minimum_detectable_effect is not None for verdict in judged)
