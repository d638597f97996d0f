"""Interactive plotly figures of the panels, as JSON for the page; plotly.js draws them."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from reports.figures.panels import Panel, Series
from reports.terminal_text import with_visible_directions

DASHES = {"solid": "solid", "dashed": "dash", "dotted": "dot"}
CONFIG = {"responsive": True, "displayModeBar": False}  # the bar would cover the legend; a double click resets a zoom


def plot_json(panel: Panel) -> str:
    """Render one panel as JSON (`data`, `layout`).

    A missing point is null, so that the line breaks there.
    """
    traces = [trace for line in panel.series for trace in (_bar(line) if panel.stacked else line_traces(line))]
    figure = go.Figure(traces, layout(panel.x_label, panel.y_label, panel.y_range))
    return str(figure.to_json())


def layout(x_label: str, y_label: str, y_range: tuple[float, float] | None) -> dict[str, Any]:
    """Return the layout that all figures of a page share."""
    axis = {"gridcolor": "rgba(128,128,128,.18)", "linecolor": "rgba(128,128,128,.5)", "zeroline": False}
    return {
        "template": "none",
        "height": 330,
        "margin": {"l": 56, "r": 12, "t": 46, "b": 44},
        "paper_bgcolor": "rgba(0,0,0,0)",  # the page's own colours show through, light or dark
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 12.5},
        "hovermode": "x unified",
        "hoverlabel": {"bgcolor": "#22262b", "font": {"color": "#f4f5f6"}},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
        "barmode": "stack",
        "bargap": 0.35,
        "xaxis": {**axis, "title": {"text": x_label, "standoff": 8}, "showgrid": False},
        "yaxis": {**axis, "title": {"text": y_label, "standoff": 8}, "range": y_range},
    }


def line_traces(line: Series) -> list[Any]:
    name = literal(line.label)
    shared = {"legendgroup": name or line.colour, "x": line.steps.tolist()}
    drawn = go.Scatter(
        **shared,
        y=nullable(line.values),
        name=name,
        showlegend=bool(name),
        mode="lines+markers",
        line={"color": line.colour, "width": 2, "dash": DASHES[line.dash]},
        marker={"size": 5},
        hovertemplate="%{y:.3f}",
    )
    if not np.isfinite(line.low).any():
        return [drawn]
    xs, ys = _outline(line)
    band = go.Scatter(
        x=xs,
        y=ys,
        legendgroup=shared["legendgroup"],
        fill="toself",
        fillcolor=line.colour,
        opacity=0.13,
        mode="none",
        showlegend=False,
        hoverinfo="skip",
    )
    return [band, drawn]


def _outline(line: Series) -> tuple[list[float | None], list[float | None]]:
    """Trace the band's outline: a closed shape for each stretch without a missing point, with nulls between shapes."""
    present = np.isfinite(line.low) & np.isfinite(line.high)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], present, [False]]).astype(int)))
    xs: list[float | None] = []
    ys: list[float | None] = []
    for start, stop in edges.reshape(-1, 2):
        steps = line.steps[start:stop].tolist()
        xs += [*steps, *reversed(steps), None]
        ys += [*line.low[start:stop].tolist(), *reversed(line.high[start:stop].tolist()), None]
    return xs, ys


def _bar(part: Series) -> list[Any]:
    # Bars, not areas: plotly.js would fill a missing step of a stacked area with zero.
    return [
        go.Bar(
            x=part.steps.tolist(),
            y=nullable(part.values),
            name=literal(part.label),
            marker={"color": part.colour, "line": {"width": 0}},
            hovertemplate="%{y:.3f}",
        )
    ]


def nullable(values: np.ndarray) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def literal(label: str) -> str:
    """Escape a name: plotly.js reads a little HTML, and a run called `<b>` must show under its name.

    Characters that turn the direction of writing are shown as escapes, as on the rest of the page.
    """
    return html.escape(with_visible_directions(label), quote=False)


def page_plots(panels: Sequence[Panel]) -> str:
    """Render all panels as figures in one JSON array for the page."""
    return page_json(map(plot_json, panels))


def page_json(figures: Iterable[str]) -> str:
    """Join figures to a JSON array that is safe inside a `<script type="application/json">`.

    No `<`, `>` or `&` is left.
    """
    text = "[" + ",".join(figures) + "]"
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
