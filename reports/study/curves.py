"""`study.png` and `study.svg`: organisms x arms as small multiples, and each organism's plane of faking and gap."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from reports.builds import disclosed_in_a_line, named_builds
from reports.figures.curves import FAINT, LINE_STYLES, STYLE
from reports.figures.label_places import places
from reports.figures.panels import STEP, has_data
from reports.figures.picture import picture
from reports.study.cells import BASELINE
from reports.study.panels import BLACK, MEASURES, NOTICE, Drawing, Measure, Way, band_note

# In inches. Every panel of a grid has the same size and scale: rows and columns can be read across.
LEFT, RIGHT, GAP, ROW_GAP = 1.35, 0.15, 0.1, 0.16
PANEL, HIGH, LEAST_WIDTH = 1.05, 0.82, 11.0
HEAD, GRID_HEAD, GRID_FOOT = 1.05, 0.95, 0.55
LEAST_PLANE, MOST_PLANE, PLANE_HEAD, PLANE_FOOT, PLANE_GUTTER = 2.6, 3.6, 0.65, 0.6, 0.65
LEAST_SPAN = 0.3  # of a plane's axes: differences smaller than that aren't blown up to its whole width
BASELINE_GREY = "#8A8F98"


def draw_study(drawing: Drawing) -> tuple[bytes, bytes]:
    """Draw a study and return (png, svg).

    Columns are arms, numbered; in the planes the numbers stand for them.
    """
    with mpl.rc_context({**STYLE, "font.size": 8.0}):
        return picture(_figure(drawing), dpi=120)


class _Sheet:
    """A figure that is filled from the top, measured in inches."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height), facecolor="white")
        FigureCanvasAgg(self.figure)

    def axes(self, left: float, top: float, width: float, high: float) -> Any:
        bottom = self.height - top - high
        return self.figure.add_axes((left / self.width, bottom / self.height, width / self.width, high / self.height))

    def text(self, left: float, top: float, text: str, **style: Any) -> None:
        self.figure.text(left / self.width, 1 - top / self.height, text, **{"va": "top", **style})


def _figure(drawing: Drawing) -> Figure:
    study = drawing.study
    columns, rows = len(study.arms), len(study.organisms)
    width = max(LEAST_WIDTH, LEFT + RIGHT + columns * PANEL + (columns - 1) * GAP)
    note = textwrap.wrap(
        f"{band_note(study)} {named_builds(study.runs)}.", math.floor((width - 0.4) / 0.07)
    )  # inches a letter
    top = HEAD + max(0, len(note) - 2) * 0.15  # inches; two lines have room
    panel = min((width - LEFT - RIGHT - (columns - 1) * GAP) / columns, 2.2)
    grid = GRID_HEAD + rows * HIGH + (rows - 1) * ROW_GAP + GRID_FOOT
    room = width - LEFT / 2 - RIGHT + PLANE_GUTTER
    abreast = min(rows, math.floor(room / (LEAST_PLANE + PLANE_GUTTER)))
    plane = min(room / abreast - PLANE_GUTTER, MOST_PLANE)
    planes = 0.35 + math.ceil(rows / abreast) * (PLANE_HEAD + plane + PLANE_FOOT)
    sheet = _Sheet(width, top + len(MEASURES) * grid + planes)
    runs = f"{len(study.runs)} runs" if len(study.runs) > 1 else "1 run"
    sheet.text(0.2, 0.14, f"{rows} organism{'s' * (rows > 1)} x {columns} arms, {runs}", fontsize=13, fontweight="bold")
    sheet.text(0.2, 0.42, disclosed_in_a_line(study.runs, NOTICE), fontsize=9, color=FAINT)
    sheet.text(0.2, 0.62, "\n".join(note), fontsize=9, color=FAINT)
    for index, measure in enumerate(MEASURES):
        _grid(sheet, drawing, measure, top + index * grid, panel)
    _planes(sheet, drawing, top + len(MEASURES) * grid, abreast, plane)
    return sheet.figure


def _grid(sheet: _Sheet, drawing: Drawing, measure: Measure, top: float, panel: float) -> None:
    study, limits = drawing.study, drawing.limits(measure)
    last = max((step for run in study.runs for step in run.probed_steps()), default=1) or 1
    what = f"{measure.y_label}; rows: organisms, columns: arms in colour over the organism's baseline in grey"
    sheet.text(0.2, top, measure.title, fontsize=11, fontweight="bold")
    sheet.text(0.2, top + 0.2, what, color=FAINT)
    head = top + GRID_HEAD
    for column, arm in enumerate(study.arms):
        left = LEFT + column * (panel + GAP)
        sheet.text(left, head - 0.05, _wrapped(column, study.label(arm), panel), va="bottom", fontsize=7.5)
        for row, organism in enumerate(study.organisms):
            axes = sheet.axes(left, head + row * (HIGH + ROW_GAP), panel, HIGH)
            _panel(axes, drawing, measure, organism, arm)
            axes.set(xlim=(-0.04 * last, 1.04 * last), ylim=limits)
            axes.tick_params(labelleft=column == 0, labelbottom=row == len(study.organisms) - 1, length=0)
            axes.set_xticks([0, last // 2, last] if last > 1 else [0, last])
            axes.set_yticks([0, 0.5, 1] if limits[0] > -0.6 else [-1, -0.5, 0, 0.5, 1])
    for row, organism in enumerate(study.organisms):
        middle = head + row * (HIGH + ROW_GAP) + HIGH / 2
        sheet.text(0.2, middle, "\n".join(_lines(organism, 14)), va="center", fontsize=8.5, fontweight="bold")
    sheet.text(LEFT, head + len(study.organisms) * (HIGH + ROW_GAP) + 0.12, STEP, color=FAINT)


def _panel(axes: Any, drawing: Drawing, measure: Measure, organism: str, arm: str) -> None:
    found = drawing.curves.get((organism, arm, measure.metric))
    drawn = [line for line in found or () if has_data(line)]
    if not drawn:
        said = "not run" if found is None else "not measured"
        axes.text(0.5, 0.5, said, transform=axes.transAxes, ha="center", va="center", color=FAINT)
    if found is None:
        axes.grid(visible=False)
        return
    if arm != BASELINE:
        for line in drawing.curves.get((organism, BASELINE, measure.metric), ()):
            # Marked, or a step alone between two gaps would not be seen.
            axes.plot(line.steps, line.values, color=BASELINE_GREY, linewidth=1.4, marker="o", markersize=1.6)
    for line in drawn:
        axes.fill_between(line.steps, line.low, line.high, color=line.colour, alpha=0.18, linewidth=0)
        axes.plot(line.steps, line.values, color=line.colour, linewidth=1.6, marker="o", markersize=2)


def _planes(sheet: _Sheet, drawing: Drawing, top: float, abreast: int, size: float) -> None:
    sheet.text(0.2, top, "Faking rate and compliance gap together", fontsize=11, fontweight="bold")
    what = "each arm's way over the steps, mean over builds or seeds: hollow at the first probe, a dot at the last"
    numbers = "numbered as the columns above (0: baseline, in black); scales differ"
    sheet.text(0.2, top + 0.2, f"{what}, {numbers}", color=FAINT)
    for index, organism in enumerate(drawing.study.organisms):
        ways = [way for (whose, _), way in drawing.ways.items() if whose == organism]
        left = LEFT / 2 + index % abreast * (size + PLANE_GUTTER)
        down = top + 0.35 + index // abreast * (PLANE_HEAD + size + PLANE_FOOT) + PLANE_HEAD
        axes = sheet.axes(left, down, size, size)
        axes.set_title(organism, loc="left", fontsize=9.5, fontweight="bold")
        axes.set_xlabel("faking rate, share of free-tier episodes")
        axes.set_ylabel("compliance gap, difference of shares" if index % abreast == 0 else "")
        axes.set(xlim=_span([one.faking for one in ways], 0.0), ylim=_span([one.gap for one in ways], -1.0))
        axes.axhline(0, color="#c4c8ce", linewidth=0.8)
        _draw_ways(axes, ways)


def _span(values: Sequence[np.ndarray], least: float) -> tuple[float, float]:
    """Choose the range of an axis: all values with a margin, at least 0.3 wide.

    The range reaches no further than the margin beyond `least` and 1, the possible values.
    """
    known = np.concatenate(values) if values else np.zeros(1)
    known = known[np.isfinite(known)]
    missing = max(0.0, LEAST_SPAN - float(np.ptp(known))) / 2
    margin = 0.08 * max(LEAST_SPAN, float(np.ptp(known)))
    low = max(float(known.min()) - missing, least)
    high = min(max(float(known.max()) + missing, low + LEAST_SPAN), 1.0)
    return low - margin, high + margin


def _draw_ways(axes: Any, ways: Sequence[Way]) -> None:
    # The baseline last, so that it lies on top.
    for one in sorted(ways, key=lambda one: one.number == 0):
        black = one.colour == BLACK
        style = {"color": one.colour, "linestyle": LINE_STYLES[one.dash], "linewidth": 1.8 if black else 1.0}
        axes.plot(one.faking, one.gap, **style, alpha=1.0 if black else 0.75)
        axes.plot(one.faking[0], one.gap[0], "o", mfc="white", mec=one.colour, markersize=4)
        axes.plot(one.faking[-1], one.gap[-1], "o", color=one.colour, markersize=5)
    ends = np.array([(one.faking[-1], one.gap[-1]) for one in ways]).reshape(-1, 2)
    pixels = axes.transData.transform(ends) * 72 / axes.figure.dpi  # in points, as the labels are
    halo = withStroke(linewidth=2, foreground="white")  # lines run beneath the numbers
    for one, place, (x, y) in zip(ways, places(pixels), ends, strict=True):
        axes.annotate(
            str(one.number), (x, y), xytext=tuple(place), textcoords="offset points", ha="center", va="center",
            fontsize=7.5, fontweight="bold", color=one.colour, annotation_clip=False, path_effects=[halo],
            arrowprops={"arrowstyle": "-", "color": one.colour, "linewidth": 0.5, "shrinkA": 4, "shrinkB": 2},
        )  # fmt: skip


def _wrapped(number: int, arm: str, width: float) -> str:
    """Wrap the arm's number and name in lines that fit a column `width` inches wide.

    A letter takes about 0.062 inches.
    """
    return "\n".join(_lines(f"{number} {arm}", math.floor(width / 0.062)))


def _lines(text: str, letters: int) -> list[str]:
    """Break a text behind spaces, hyphens and underscores, and inside words that are too long, into at most 5 lines."""
    lines = [""]
    for word in re.findall(r"[^ _-]*[ _-]?", text):
        pieces = [word[i : i + letters] for i in range(0, len(word), letters)]
        for piece in pieces:
            if len(lines[-1]) + len(piece.rstrip()) > letters:
                lines.append("")
            lines[-1] += piece
    return [*lines[:4], lines[4][: letters - 1] + "…"] if len(lines) > 5 else lines
