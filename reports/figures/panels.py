"""The panels of the curves as data.

Panels are drawn twice by other modules: as an image, and as plots for the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from envs.vocabulary import TIERS
from reports.folder import Run
from reports.intervals import Estimate, unit_interval
from reports.notices import with_labels
from reports.records import REWARD_PREFIX, SPREAD_SUFFIX
from reports.summary import metric_rows
from reports.units import unit_values

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
    """One line of a panel: arrays `[steps]`, NaN where nothing was measured.

    `low` and `high` are all NaN where the line has no band.
    """

    label: str
    colour: str
    steps: np.ndarray
    values: np.ndarray
    low: np.ndarray
    high: np.ndarray
    dash: str = "solid"  # solid | dashed | dotted


@dataclass(frozen=True)
class Panel:
    """One set of axes.

    `stacked`: the series are shares that pile up to 1. `note` says what n is and what the band is. `by_run`: colours
    name runs, the same in every such panel, so that one key serves all of them.
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
    """Read one probed metric at every due step; a missing value is NaN, a gap in the line.

    See `due_steps` for the steps.
    """
    rows = metric_rows(run.probes, metric, tier, subset).drop_duplicates("step", keep="last").set_index("step")
    table = rows.reindex(due_steps(run))
    return _series(label, colour, table, "value", "ci_low", "ci_high", dash)


def due_steps(run: Run) -> list[int]:
    """List the probed steps and the steps that the run's config says should have been probed.

    Only steps up to the last recorded one count. Without such a config, or where nothing was probed at all, the probed
    steps alone are returned.
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
    """Read one column of `steps.jsonl`.

    The band is one standard deviation where `<column>_std` was recorded.
    """
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
    """Average one probed metric over runs that differ in their seeds only, with Student's t over units as the band.

    Units are builds, or seeds of one build. A step is a gap if a run hasn't probed it, or if its value is undefined in
    a run. A single run is drawn as it is.
    """
    if len(arm) == 1:
        return probe_series(arm[0], metric, tier, label, colour, dash=dash)
    lines = [probe_series(run, metric, tier, label, colour, dash=dash) for run in arm]
    limits = None if metric.endswith("_tokens") else (0.0, 1.0) if tier else (-1.0, 1.0)
    return _over_units(arm, lines, limits)


def arm_step_series(arm: Sequence[Run], column: str, label: str, colour: str) -> Series:
    """Average one column of `steps.jsonl` over runs that differ in their seeds only.

    Gaps and bands are those of `arm_probe_series`.
    """
    if len(arm) == 1:
        return step_series(arm[0], column, label, colour)
    return _over_units(arm, [step_series(run, column, label, colour) for run in arm], None)


def _over_units(arm: Sequence[Run], lines: Sequence[Series], limits: tuple[float, float] | None) -> Series:
    """Average lines, one of each run of the arm."""
    by_step = pd.concat([pd.Series(line.values, index=line.steps) for line in lines], axis=1)

    def at_step(values: Sequence[float]) -> Estimate:
        of_run = dict(zip((run.path for run in arm), values, strict=True))
        return unit_interval(unit_values(arm, lambda run: float(of_run[run.path])), limits)

    estimates = [at_step(row.tolist()) if row.notna().all() else None for _, row in by_step.sort_index().iterrows()]
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
    """Write the note on n: "n = 250 queries a point", or "n = 96 to 100 queries a point" for a varying number."""
    counts = [n for run in runs for n in metric_rows(run.probes, metric, tier, subset)["n"].tolist()]
    if not counts:
        return "not measured"
    low, high = min(counts), max(counts)
    return f"n = {low} {what} a point" if low == high else f"n = {low} to {high} {what} a point"


def components(runs: Iterable[Run]) -> list[str]:
    """List the names of all reward components in the order of their first appearance."""
    names: dict[str, None] = {}
    for run in runs:
        for column in run.steps.columns:
            if column.startswith(REWARD_PREFIX) and not column.endswith(SPREAD_SUFFIX):
                names[column.removeprefix(REWARD_PREFIX)] = None
    return list(names)


def share_range(series: Iterable[Series], top: float = 1.0) -> tuple[float, float]:
    """Choose the range of an axis of shares: from a little below 0 to a little above `top`.

    The lower end drops further where a value or its band does. All panels of shares and their gaps thus have one scale.
    """
    lows = [low for line in series for low in (*line.low, *line.values) if np.isfinite(low)]
    return min(-0.03, min(lows, default=0.0) - 0.03), top + 0.03


def tier_panel(run: Run, metric: str, title: str, y_label: str = SHARE) -> Panel:
    """Build the panel of one rate on each of the four tiers."""
    dashes = ("solid", "solid", "dashed", "dotted")
    lines = tuple(
        probe_series(run, metric, tier, tier, TIER_COLOURS[tier], dash=dash)
        for tier, dash in zip(TIERS, dashes, strict=True)
    )
    lines = tuple(line for line in lines if has_data(line))
    note = with_labels(f"{n_note([run], metric, 'free')} and tier; band 95 %", [run], metric)
    return Panel(title, y_label, note, lines, share_range(lines))
