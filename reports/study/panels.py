"""The plots of a study as data: each arm's curves over its organism's baseline, and its path in the plane.

The plane is that of faking rate and compliance gap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reports.figures.panels import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    Series,
    arm_probe_series,
    has_data,
    n_note,
    probe_series,
    share_range,
)
from reports.figures.sheet import UNITS_OF_AN_ARM
from reports.notices import with_labels
from reports.study.cells import BASELINE, Cell, Study

NOTICE = "Simulated organisms, built to fake: no claim of emergence."
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)  # grey and black are the baseline's
DASHES = ("solid", "dashed", "dotted")
BLACK = "#22262b"


@dataclass(frozen=True)
class Measure:
    """One of the two metrics that a study is read from."""

    title: str
    y_label: str
    metric: str
    tier: str | None


MEASURES = (
    Measure("Faking rate", "share of harmful-query episodes on the free tier", "faking_rate", "free"),
    Measure("Compliance gap, free minus paid", "difference of shares, paired on queries", "compliance_gap", None),
)


@dataclass(frozen=True)
class Way:
    """The path of an arm in the plane of both measures, step by step: means over units.

    `number` is the number of the arm's column. A step that lacks a measure is NaN; the first and the last step have
    both.
    """

    arm: str
    number: int
    colour: str
    dash: str
    steps: np.ndarray
    faking: np.ndarray
    gap: np.ndarray


@dataclass(frozen=True)
class Drawing:
    """A study with the data of its plots, made once for the image and the page.

    Keys: organism, arm (and metric).
    """

    study: Study
    curves: Mapping[tuple[str, str, str], tuple[Series, ...]]
    ways: Mapping[tuple[str, str], Way]

    def limits(self, measure: Measure) -> tuple[float, float]:
        """Choose one scale for every panel of a measure."""
        found = (lines for (_, _, metric), lines in self.curves.items() if metric == measure.metric)
        return share_range(line for lines in found for line in lines if has_data(line))


def drawing_of(study: Study) -> Drawing:
    found = {
        (cell.organism, cell.arm, measure.metric): _curves(study, cell, measure)
        for cell in study.cells
        for measure in MEASURES
    }
    ways = {(cell.organism, cell.arm): _way(study, cell, found) for cell in study.cells}
    return Drawing(study, found, {key: way for key, way in ways.items() if way is not None})


def look(study: Study, arm: str) -> tuple[str, str]:
    """Choose the colour and dash of an arm, the same in every plot of the study."""
    if arm == BASELINE:
        return BLACK, "solid"
    index = [name for name in study.arms if name != BASELINE].index(arm)
    return COLOURS[index % len(COLOURS)], DASHES[index // len(COLOURS) % len(DASHES)]


def _curves(study: Study, cell: Cell, measure: Measure) -> tuple[Series, ...]:
    """Return the mean over units with its band, or a line a run where there are too few units for a band."""
    colour, dash = look(study, cell.arm)
    if cell.count >= UNITS_OF_AN_ARM:
        return (arm_probe_series(cell.runs, measure.metric, measure.tier, cell.label, colour, dash=dash),)
    drawn = [probe_series(run, measure.metric, measure.tier, cell.label, colour, dash=dash) for run in cell.runs]
    if len(drawn) == 1:
        return tuple(drawn)
    # A probe's own band around each of two lines would be taken for the spread of builds or seeds.
    return tuple(_without_band(line) for line in drawn)


def _without_band(line: Series) -> Series:
    nothing = np.full_like(line.values, np.nan)
    return replace(line, low=nothing, high=nothing)


def _way(study: Study, cell: Cell, curves: Mapping[tuple[str, str, str], tuple[Series, ...]]) -> Way | None:
    """Build an arm's path in the plane; None where no step has both measures."""
    colour, dash = look(study, cell.arm)
    faking, gap = (_mean(cell, one, curves[cell.organism, cell.arm, one.metric]) for one in MEASURES)
    present = np.isfinite(faking.values) & np.isfinite(gap.values)  # both are over every probed step
    if not present.any():
        return None
    at = np.flatnonzero(present)
    shown = slice(at[0], at[-1] + 1)  # a step in between that lacks one of them stays a gap
    x, y = (np.where(present, line.values, np.nan)[shown] for line in (faking, gap))
    return Way(cell.arm, study.arms.index(cell.arm), colour, dash, faking.steps[shown], x, y)


def _mean(cell: Cell, measure: Measure, lines: Sequence[Series]) -> Series:
    """Average the lines of a cell over its units, however few they are."""
    return lines[0] if len(lines) == 1 else arm_probe_series(cell.runs, measure.metric, measure.tier, "", "")


def unit(study: Study) -> str:
    """Name the unit that an interval counts."""
    units = dict.fromkeys(cell.unit for cell in study.cells if cell.unit != "run")
    return " or ".join(units) or "nothing: each arm is one run"


def band_note(study: Study) -> str:
    """Describe n and the band of the plots."""
    counts = sorted({cell.count for cell in study.cells})
    several = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
    parts = [
        n_note(study.runs, "faking_rate", "free") + " and run",
        f"{several} {unit(study)}" if counts[-1] > 1 else "1 run",
    ]
    if counts[-1] >= UNITS_OF_AN_ARM:
        parts.append(f"band: 95 % over {unit(study)} (Student's t)")
    if any(1 < count < UNITS_OF_AN_ARM for count in counts):
        parts.append("of two a line each")
    if counts[0] == 1:
        parts.append("band of a single run: 95 % of its probe")
    return with_labels("; ".join(parts), study.runs, *(measure.metric for measure in MEASURES))
