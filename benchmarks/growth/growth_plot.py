"""The log-log plot of the growth of a step's cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benchmarks.growth.power_law import PowerLaw

# Okabe & Ito's colours, which readers with a colour blindness can tell apart.
COLOURS = {"total": "#222222", "update": "#0072B2", "rollout": "#D55E00"}
MARKERS = {"total": "o", "update": "s", "rollout": "^"}


@dataclass(frozen=True)
class Panel:
    """One axis of growth.

    `seconds` holds by part (median, low, high) at each size. `laws` holds by part the law fitted to the medians.
    """

    label: str
    sizes: Sequence[float]
    seconds: Mapping[str, Sequence[tuple[float, float, float]]]
    laws: Mapping[str, PowerLaw]


def draw(panels: Sequence[Panel], title: str, path: Path) -> None:
    """Draw the picture as PNG, a panel an axis."""
    style = {"font.size": 10, "axes.titlesize": 11, "axes.spines.top": False, "axes.spines.right": False}
    with plt.rc_context(style):
        wide = 4.3 * len(panels) + 0.5
        figure, axes = plt.subplots(1, len(panels), figsize=(wide, 4.6), sharey=True, squeeze=False)
        for place, panel in zip(axes[0], panels, strict=True):
            _panel(place, panel)
        axes[0][0].set_ylabel("time of a training step (s)")
        bottom, top = axes[0][0].get_ylim()
        axes[0][0].set_ylim(bottom, top * (top / bottom) ** 0.22)  # a fifth more, for the legends
        figure.suptitle(title, fontsize=11, x=0.01, ha="left")
        figure.tight_layout()
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)
        plt.close(figure)


def _panel(place: plt.Axes, panel: Panel) -> None:
    place.set_xscale("log")
    place.set_yscale("log")
    for part, colour in COLOURS.items():
        middle, low, high = np.array(panel.seconds[part]).T
        law = panel.laws[part]
        place.errorbar(
            panel.sizes, middle, yerr=[middle - low, high - middle], fmt=MARKERS[part], color=colour, markersize=5,
            elinewidth=1, capsize=2, label=f"{part}: exponent {exponent(law)}",
        )  # fmt: skip
        ends = np.geomspace(min(panel.sizes), max(panel.sizes), 50)
        place.plot(ends, [law(size) for size in ends], color=colour, linewidth=1.2, alpha=0.55)
    place.set_xlabel(panel.label)
    place.set_xticks(panel.sizes, [_short(size) for size in panel.sizes])
    place.xaxis.set_minor_formatter(NullFormatter())
    place.tick_params(axis="x", which="minor", bottom=False)
    place.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    place.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    place.yaxis.set_minor_formatter(NullFormatter())
    place.grid(which="major", color="#dddddd", linewidth=0.6)
    place.set_axisbelow(True)
    place.legend(frameon=False, fontsize=8.5, loc="upper left", handletextpad=0.3)


def exponent(law: PowerLaw) -> str:
    """Format an exponent with its interval."""
    if law.low is None or law.high is None:
        return f"{law.exponent:.2f} (two points)"
    return f"{law.exponent:.2f} ({law.low:.2f} to {law.high:.2f})"


def _short(size: float) -> str:
    return f"{size / 1e6:.1f}M" if 1e5 <= size < 3e6 else f"{size / 1e6:.0f}M" if size >= 3e6 else f"{size:g}"
