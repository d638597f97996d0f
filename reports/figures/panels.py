"""What each panel of the curves shows, as data. Drawing is elsewhere: twice, once as an image and once for the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports.folder import Run
from reports.intervals import seed_interval
from reports.notices import with_labels
from reports.records import REWARD_PREFIX, SPREAD_SUFFIX, TIERS
from reports.summary import metric_rows

STEP = "optimiser step"
SHARE = "share of harmful-query episodes"
NOTICE = "Simulated organism, built to fake: no claim of emergence."

# Okabe & Ito's palette, which stays apart under the common colour blindnesses; yellow left out, too pale on white.
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, GREY = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#AA4499",
    "#E69F00",
    "#56B4E9",
    "#8A8F98",
)
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, GREY)
TIER_COLOURS = dict(zip(TIERS, (PURPLE, ORANGE, SKY, GREY), strict=True))


@dataclass(frozen=True)
class Series:
    """One line: arrays `[steps]`, NaN where nothing was measured. `low` and `high` are all NaN where it has no band."""

    label: str
    colour: str
    steps: np.ndarray
    values: np.ndarray
    low: np.ndarray
    high: np.ndarray
    dash: str = "solid"  # solid | dashed | dotted


@dataclass(frozen=True)
class Panel:
    """One set of axes. `stacked`: the series are shares that pile up to 1. `note`: what n is, what the band is.

    `by_run`: colours name runs, the same in every such panel, so that one key serves all of them.
    """

    title: str
    y_label: str
    note: str
    series: tuple[Series, ...]
    y_range: tuple[float, float] | None = None
    stacked: bool = False
    by_run: bool = False
    x_label: str = STEP


def probe_series(
    run: Run, metric: str, tier: str | None, label: str, colour: str, *, subset: str = "", dash: str = "solid"
) -> Series:
    """One probed metric over every step that was or should have been probed; where it is missing NaN, a gap."""
    rows = metric_rows(run.probes, metric, tier, subset).drop_duplicates("step", keep="last").set_index("step")
    table = rows.reindex(due_steps(run))
    return _series(label, colour, table, "value", "ci_low", "ci_high", dash)


def due_steps(run: Run) -> list[int]:
    """The probed steps, and those up to the last recorded one that by the run's config should have been.

    Without a config that says so, or where nothing was probed at all, the probed steps alone.
    """
    probed = run.probed_steps()
    every, steps = run.config.get("probe_every"), run.config.get("steps")
    if not (probed and isinstance(every, int) and isinstance(steps, int) and every > 0):
        return probed
    recorded = max(probed[-1], int(run.steps["step"].max()) if len(run.steps) else 0)
    last = {steps} if steps <= recorded else set()
    return sorted({*range(0, min(steps, recorded + 1), every), *last, *probed})


def _series(label: str, colour: str, table: pd.DataFrame, value: str, low: str, high: str, dash: str) -> Series:
    arrays = (table[key].to_numpy(dtype=np.float64, na_value=np.nan) for key in (value, low, high))
    values, lows, highs = arrays
    return Series(label, colour, table.index.to_numpy(dtype=np.int64), values, lows, highs, dash)


def step_series(run: Run, column: str, label: str, colour: str, dash: str = "solid") -> Series:
    """One column of `steps.jsonl`; its band is one standard deviation where `<column>_std` was recorded."""
    table = pd.DataFrame(index=run.steps["step"])
    mean, spread = (
        run.steps[name].to_numpy(dtype=np.float64, na_value=np.nan)
        if name in run.steps
        else np.full(len(run.steps), np.nan)
        for name in (column, column + SPREAD_SUFFIX)
    )
    table = table.assign(value=mean, low=mean - spread, high=mean + spread)
    return _series(label, colour, table, "value", "low", "high", dash)


def arm_probe_series(
    arm: Sequence[Run], metric: str, tier: str | None, label: str, colour: str, *, dash: str = "solid"
) -> Series:
    """One probed metric of runs that differ in their seed only: the mean over seeds, the band Student's t over them.

    A step that a seed has not probed, or where its value is undefined, is a gap. One run alone is drawn as it is.
    """
    if len(arm) == 1:
        return probe_series(arm[0], metric, tier, label, colour, dash=dash)
    lines = [probe_series(run, metric, tier, label, colour, dash=dash) for run in arm]
    limits = None if metric.endswith("_tokens") else (0.0, 1.0) if tier else (-1.0, 1.0)
    return _over_seeds(lines, limits)


def arm_step_series(arm: Sequence[Run], column: str, label: str, colour: str) -> Series:
    """One column of `steps.jsonl` of runs that differ in their seed only, as `arm_probe_series`."""
    if len(arm) == 1:
        return step_series(arm[0], column, label, colour)
    return _over_seeds([step_series(run, column, label, colour) for run in arm], None)


def _over_seeds(lines: Sequence[Series], limits: tuple[float, float] | None) -> Series:
    by_step = pd.concat([pd.Series(line.values, index=line.steps) for line in lines], axis=1)
    estimates = [
        seed_interval([None if np.isnan(value) else float(value) for value in row], limits)
        if row.notna().all()
        else None
        for _, row in by_step.sort_index().iterrows()
    ]
    table = pd.DataFrame(
        {
            key: [np.nan if found is None else getattr(found, key) for found in estimates]
            for key in ("value", "ci_low", "ci_high")
        },
        index=by_step.sort_index().index,
        dtype="float64",
    )
    return _series(lines[0].label, lines[0].colour, table, "value", "ci_low", "ci_high", lines[0].dash)


def has_data(series: Series) -> bool:
    return bool(np.isfinite(series.values).any())


def n_note(runs: Sequence[Run], metric: str, tier: str | None, what: str = "episodes", subset: str = "") -> str:
    """ "n = 250 queries", or "n = 96-100 ...": how many were scored at each point."""
    counts = [n for run in runs for n in metric_rows(run.probes, metric, tier, subset)["n"].tolist()]
    if not counts:
        return "not measured"
    low, high = min(counts), max(counts)
    return f"n = {low} {what} a point" if low == high else f"n = {low} to {high} {what} a point"


def components(runs: Iterable[Run]) -> list[str]:
    """Names of all reward components, in the order of their first appearance."""
    names: dict[str, None] = {}
    for run in runs:
        for column in run.steps.columns:
            if column.startswith(REWARD_PREFIX) and not column.endswith(SPREAD_SUFFIX):
                names[column.removeprefix(REWARD_PREFIX)] = None
    return list(names)


def share_range(series: Iterable[Series], top: float = 1.0) -> tuple[float, float]:
    """From a little below 0 (lower where a gap or its band is) to 1: one honest scale for shares and their gaps."""
    lows = [low for line in series for low in (*line.low, *line.values) if np.isfinite(low)]
    return min(-0.03, min(lows, default=0.0) - 0.03), top + 0.03


def tier_panel(run: Run, metric: str, title: str, y_label: str = SHARE) -> Panel:
    """One rate on each of the four tiers."""
    dashes = ("solid", "solid", "dashed", "dotted")
    lines = tuple(
        probe_series(run, metric, tier, tier, TIER_COLOURS[tier], dash=dash)
        for tier, dash in zip(TIERS, dashes, strict=True)
    )
    lines = tuple(line for line in lines if has_data(line))
    note = with_labels(f"{n_note([run], metric, 'free')} and tier; band 95 %", [run], metric)
    return Panel(title, y_label, note, lines, share_range(lines))
