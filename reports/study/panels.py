"""What the plots of a study show, as data: each arm's curves over its organism's baseline, and its way in the plane."""

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
from reports.figures.sheet import SEEDS_OF_AN_ARM
from reports.notices import with_labels
from reports.study.cells import BASELINE, Cell, Study
from reports.study.notices import one_build_each

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
    """An arm in the plane of both measures, step by step: means over seeds. `number` is that of its column.

    NaN at a step that lacks one of them; the first and the last have both.
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
    """A study with all that its plots show, made once for both of them. Keys: organism, arm (and metric)."""

    study: Study
    curves: Mapping[tuple[str, str, str], tuple[Series, ...]]
    ways: Mapping[tuple[str, str], Way]

    def limits(self, measure: Measure) -> tuple[float, float]:
        """One scale for every panel of a measure."""
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
    """Colour and dash of an arm, the same in every plot of the study."""
    if arm == BASELINE:
        return BLACK, "solid"
    index = [name for name in study.arms if name != BASELINE].index(arm)
    return COLOURS[index % len(COLOURS)], DASHES[index // len(COLOURS) % len(DASHES)]


def _curves(study: Study, cell: Cell, measure: Measure) -> tuple[Series, ...]:
    """The mean over seeds with its band; a line a run where there are too few seeds for one."""
    colour, dash = look(study, cell.arm)
    if len(cell.runs) >= SEEDS_OF_AN_ARM:
        return (arm_probe_series(cell.runs, measure.metric, measure.tier, cell.label, colour, dash=dash),)
    drawn = [probe_series(run, measure.metric, measure.tier, cell.label, colour, dash=dash) for run in cell.runs]
    if len(drawn) == 1:
        return tuple(drawn)
    # A probe's own band around each of two lines would be taken for the spread of the seeds.
    return tuple(_without_band(line) for line in drawn)


def _without_band(line: Series) -> Series:
    nothing = np.full_like(line.values, np.nan)
    return replace(line, low=nothing, high=nothing)


def _way(study: Study, cell: Cell, curves: Mapping[tuple[str, str, str], tuple[Series, ...]]) -> Way | None:
    """None where no step has both measures."""
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
    """Over seeds, however few they are."""
    return lines[0] if len(lines) == 1 else arm_probe_series(cell.runs, measure.metric, measure.tier, "", "")


def unit(study: Study) -> str:
    """What an interval over seeds is over."""
    return "seeds of RL, on one build of each organism" if one_build_each(study) else "seeds"


def band_note(study: Study) -> str:
    """What n is, and what a band is."""
    counts = sorted({len(cell.runs) for cell in study.cells})
    seeds = f"{counts[0]} to {counts[-1]} seeds" if len(counts) > 1 else f"{counts[0]} seed{'s' * (counts[0] > 1)}"
    parts = [n_note(study.runs, "faking_rate", "free") + " and seed", seeds]
    if counts[-1] >= SEEDS_OF_AN_ARM:
        parts.append(f"band: 95 % over {unit(study)} (Student's t)")
    if any(1 < count < SEEDS_OF_AN_ARM for count in counts):
        parts.append("of two seeds a line each")
    if counts[0] == 1:
        parts.append("band of a single seed: 95 % of its probe")
    return with_labels("; ".join(parts), study.runs, *(measure.metric for measure in MEASURES))
