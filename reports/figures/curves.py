"""`curves.png` and `curves.svg`: the panels as a still image. The same run folders give the same bytes."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.builds import disclosed_in_a_line, named_builds
from reports.figures.panels import NOTICE, Panel, Series, has_data
from reports.figures.picture import picture
from reports.figures.sheet import main_panels
from reports.folder import Run

LINE_STYLES = {"solid": "-", "dashed": (0, (5, 2)), "dotted": (0, (1.2, 1.6))}
INK, FAINT = "#22262b", "#6b7280"
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same glyphs on every machine
    "font.size": 9.5,
    "text.color": INK,
    "axes.edgecolor": "#c4c8ce",
    "axes.labelcolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e8eaed",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "text.parse_math": False,  # a `$` in a run's name is a dollar
    "svg.hashsalt": "gyges",  # else ids are random and the file differs every time
}


# The sheet, in inches: fixed margins keep all axes aligned and of one size, whatever the labels.
WIDTH, LEFT, RIGHT, GUTTER = 10.0, 0.75, 0.2, 0.8
AXES_HEIGHT, FOOT, HEAD = 2.35, 0.62, 0.62
PANEL_WIDTH = (WIDTH - LEFT - RIGHT - GUTTER) / 2
LEGEND_LINE, TITLE_LINE, NAME_LINE = 14.0, 15.0, 17.0  # points
NAME_LETTERS, HEAD_LETTERS = 60, 80  # of a run's name in the head, and of a line of the head


def draw_curves(runs: Sequence[Run]) -> tuple[bytes, bytes]:
    """(png, svg): one run by metric, or several overlaid with one colour a run. 1500 pixels wide at 150 dpi."""
    panels = main_panels(runs)
    with mpl.rc_context(STYLE):
        return picture(_figure(runs, panels), dpi=150)


def _figure(runs: Sequence[Run], panels: Sequence[Panel]) -> Figure:
    key = next((panel.series for panel in panels if panel.by_run), ())
    key_rows = _legend_rows([line.label for line in key if line.label], WIDTH - LEFT)
    name = _name_lines(runs)
    lower = (len(name) - 1) * NAME_LINE / 72  # what follows the name, where that takes several lines
    head = HEAD + lower + len(key_rows) * LEGEND_LINE / 72
    pairs = [panels[i : i + 2] for i in range(0, len(panels), 2)]
    legends = [max(len(_panel_legend(panel)) for panel in pair) for pair in pairs]
    lifts = [AXES_HEIGHT + FOOT + (2 * TITLE_LINE + rows * LEGEND_LINE + 14) / 72 for rows in legends]
    height = head + sum(lifts)
    figure = Figure(figsize=(WIDTH, height), facecolor="white")
    FigureCanvasAgg(figure)
    bottom = height - head
    for pair, rows, lift in zip(pairs, legends, lifts, strict=True):
        bottom -= lift
        for column, panel in enumerate(pair):
            left = LEFT + column * (PANEL_WIDTH + GUTTER)
            inches = (left / WIDTH, (bottom + FOOT) / height, PANEL_WIDTH / WIDTH, AXES_HEIGHT / height)
            _draw(figure.add_axes(inches), panel, rows)
    _head(figure, runs, name, key, height, lower)
    return figure


def _name_lines(runs: Sequence[Run]) -> list[str]:
    """Name the runs and all their builds in lines that fit the sheet. A long name is cut; builds never are."""
    name = runs[0].name if len(runs) == 1 else f"{len(runs)} runs"
    cut = name if len(name) <= NAME_LETTERS else f"{name[: NAME_LETTERS - 1]}…"
    return textwrap.wrap(f"{cut}, organism {named_builds(runs)}", HEAD_LETTERS, break_on_hyphens=False)


def _head(
    figure: Figure, runs: Sequence[Run], name: Sequence[str], key: Sequence[Series], height: float, lower: float
) -> None:
    x = LEFT / WIDTH
    for index, line in enumerate(name):
        y = 1 - (0.14 + index * NAME_LINE / 72) / height
        figure.text(x, y, line, fontsize=12, fontweight="bold", va="top")
    figure.text(x, 1 - (0.40 + lower) / height, disclosed_in_a_line(runs, NOTICE), fontsize=9.5, color=FAINT, va="top")
    named = [line for line in key if line.label]
    handles = [Line2D([], [], color=line.colour, linewidth=2.2) for line in named]
    anchor = (x, 1 - (0.62 + lower) / height)
    _legend(figure, handles, [line.label for line in named], WIDTH - LEFT, anchor, "upper left")


def _legend_rows(labels: Sequence[str], width: float) -> list[list[str]]:
    """Labels in as many equal rows as fit `width` inches; a letter takes about 0.062, a handle with its space 0.36."""
    for rows in range(1, len(labels) + 1):
        columns = math.ceil(len(labels) / rows)
        taken = sum(max(len(label) * 0.062 + 0.36 for label in labels[i::columns]) for i in range(columns))
        if taken <= width or columns == 1:
            return [list(labels[i : i + columns]) for i in range(0, len(labels), columns)]
    return []


def _panel_legend(panel: Panel) -> list[list[str]]:
    """Rows of the panel's own legend: none where the sheet's key names the runs, or where there is one line only."""
    labels = [line.label for line in panel.series]
    return [] if panel.by_run or len(labels) < 2 else _legend_rows(labels, PANEL_WIDTH)


def _legend(
    owner: Any, handles: Sequence[Any], labels: Sequence[str], width: float, anchor: tuple[float, float], corner: str
) -> None:
    rows = _legend_rows(labels, width)
    if not rows:
        return
    # matplotlib fills legends by column: hand the entries over so that they read by row.
    columns = len(rows[0])
    order = [index for column in range(columns) for index in range(column, len(labels), columns)]
    owner.legend(
        [handles[index] for index in order],
        [labels[index] for index in order],
        loc=corner,
        bbox_to_anchor=anchor,
        ncols=columns,
        frameon=False,
        fontsize=8.5,
        handlelength=1.3,
        columnspacing=1.0,
        handletextpad=0.4,
        borderaxespad=0.0,
        borderpad=0.0,
        labelspacing=0.35,
    )


def _draw(axes: Any, panel: Panel, legend_rows: int) -> None:
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)
    axes.xaxis.get_major_locator().set_params(integer=True)
    handles = _stack(axes, panel) if panel.stacked else [_line(axes, line) for line in panel.series]
    if panel.y_range:
        axes.set_ylim(*panel.y_range)
    if not any(map(has_data, panel.series)):
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", va="center", color=FAINT)
    legend = _panel_legend(panel)
    if legend:
        # Between the title and the axes, where it never covers a curve.
        _legend(axes, handles, [line.label for line in panel.series], PANEL_WIDTH, (0, 1.025), "lower left")
    lift = 6 + LEGEND_LINE * legend_rows  # of the taller neighbour, so that titles align
    for text, size, weight, colour, height in (
        (panel.note, 8, "normal", FAINT, lift),
        (panel.title, 11, "bold", INK, lift + TITLE_LINE - 2),
    ):
        axes.annotate(
            text, (0, 1), xytext=(0, height), xycoords="axes fraction", textcoords="offset points",
            fontsize=size, fontweight=weight, color=colour, va="bottom",
        )  # fmt: skip


def _line(axes: Any, line: Series) -> Any:
    marked = len(line.steps) <= 40  # beyond that markers merge into a thick line
    axes.fill_between(line.steps, line.low, line.high, color=line.colour, alpha=0.13, linewidth=0)
    (drawn,) = axes.plot(
        line.steps,
        line.values,
        color=line.colour,
        linestyle=LINE_STYLES[line.dash],
        linewidth=1.8,
        marker="o" if marked else None,
        markersize=3.2,
    )
    return drawn


def _stack(axes: Any, panel: Panel) -> list[Any]:
    """Bars where it was measured, a paler area between: what is interpolated for the eye looks interpolated."""
    handles = []
    steps = panel.series[0].steps
    width = 0.22 * float(np.diff(steps).min()) if len(steps) > 1 else 0.6
    base = np.zeros(len(steps))
    for part in panel.series:
        top = base + part.values
        axes.fill_between(steps, base, top, color=part.colour, alpha=0.45, linewidth=0)
        handles.append(axes.bar(steps, part.values, width, bottom=base, color=part.colour, linewidth=0))
        base = top
    axes.grid(visible=False)
    return handles
