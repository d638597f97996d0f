"""A study's interactive figures.

Each organism has three: faking over steps, the gap over steps, and the plane of both.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import plotly.graph_objects as go

from reports.figures.panels import STEP, has_data
from reports.figures.plots import DASHES, layout, line_traces, literal, page_json
from reports.study.cells import BASELINE, Cell
from reports.study.panels import MEASURES, Drawing, Way

# Left and right end of each of the three, as shares of the figure's width.
DOMAINS = ((0.0, 0.28), (0.36, 0.64), (0.72, 1.0))

# Show all arms without bands, or the chosen arm with its band beside the baseline. Arm and band stand in `trace.meta`.
DRAW = """
const config = JSON.parse(document.getElementById("plot-config").textContent);
const figures = JSON.parse(document.getElementById("plots").textContent);
figures.forEach((figure, index) => Plotly.newPlot("plot-" + index, figure.data, figure.layout, config));
document.getElementById("arms").addEventListener("change", event => {
  const arm = Number(event.target.value);
  const shown = trace => trace.meta.arm === 0 || (arm === 0 ? !trace.meta.band : trace.meta.arm === arm);
  figures.forEach((figure, index) => Plotly.restyle("plot-" + index, {visible: figure.data.map(shown)}));
});
"""


def study_plots(drawing: Drawing) -> str:
    """Render a figure an organism, as one JSON array for the page."""
    return page_json(str(_figure(drawing, organism).to_json()) for organism in drawing.study.organisms)


def _figure(drawing: Drawing, organism: str) -> Any:
    study = drawing.study
    traces: list[Any] = []
    # The baseline last: on top of the others.
    for arm in (*(arm for arm in study.arms if arm != BASELINE), BASELINE):
        cell = study.cell(organism, arm)
        if cell is not None:
            traces += _traces(drawing, cell)
    return go.Figure(traces, _layout(drawing))


def _traces(drawing: Drawing, cell: Cell) -> list[Any]:
    number = drawing.study.arms.index(cell.arm)
    traces = []
    for index, measure in enumerate(MEASURES):
        for line in filter(has_data, drawing.curves[cell.organism, cell.arm, measure.metric]):
            for trace in line_traces(replace(line, label=cell.label)):
                band = trace.mode == "none"
                axes = {"xaxis": f"x{index + 1}", "yaxis": f"y{index + 1}"}
                trace.update(**axes, meta={"arm": number, "band": band}, visible=number == 0 or not band)
                traces.append(trace)
    found = drawing.ways.get((cell.organism, cell.arm))
    if found is not None:
        traces.append(_way(found))
    for trace in traces:
        trace.update(showlegend=False)
        if trace.mode != "none":
            trace.update(hovertemplate=f"{literal(f'{number} {cell.label}')}<br>{_hovered(trace)}<extra></extra>")
    return traces


def _hovered(trace: Any) -> str:
    return "step %{text}: faking %{x:.3f}, gap %{y:.3f}" if trace.xaxis == "x3" else "step %{x}: %{y:.3f}"


def _way(found: Way) -> Any:
    last = len(found.steps) - 1
    return go.Scatter(
        x=found.faking.tolist(),
        y=found.gap.tolist(),
        text=[str(step) for step in found.steps],
        xaxis="x3",
        yaxis="y3",
        mode="lines+markers",
        line={"color": found.colour, "width": 2.5 if found.number == 0 else 1.5, "dash": DASHES[found.dash]},
        marker={
            "size": [10 if index == last else 7 if index == 0 else 4 for index in range(last + 1)],
            "opacity": 1,
            "symbol": ["circle-open" if index == 0 < last else "circle" for index in range(last + 1)],
        },
        meta={"arm": found.number, "band": False},
    )


def _layout(drawing: Drawing) -> dict[str, Any]:
    ranges = [drawing.limits(measure) for measure in MEASURES]
    axes: dict[str, Any] = {}
    described = [
        (STEP, "faking rate, share of episodes", None, ranges[0]),
        (STEP, "compliance gap", None, ranges[1]),
        ("faking rate, share of episodes", "compliance gap", (-0.03, 1.03), ranges[1]),
    ]
    for index, ((x, y, x_range, y_range), domain) in enumerate(zip(described, DOMAINS, strict=True), start=1):
        base = layout(x, y, y_range)
        axes[f"xaxis{index}"] = {**base["xaxis"], "domain": domain, "anchor": f"y{index}", "range": x_range}
        axes[f"yaxis{index}"] = {**base["yaxis"], "anchor": f"x{index}"}
    base = layout("", "", None)
    return {
        **{key: value for key, value in base.items() if key not in {"xaxis", "yaxis", "legend"}},
        **axes,
        "hovermode": "closest",
        "margin": {"l": 56, "r": 12, "t": 12, "b": 44},
    }
