"""Save a figure as PNG and SVG, the same bytes each time."""

from __future__ import annotations

import io

from matplotlib.figure import Figure
from matplotlib.text import Text

from reports.terminal_text import printable


def picture(figure: Figure, dpi: int) -> tuple[bytes, bytes]:
    """Save a figure as (png, svg). Control characters in its text are escaped: XML has none, and a font no glyph."""
    for text in figure.findobj(Text):
        text.set_text("\n".join(map(printable, text.get_text().split("\n"))))
    png, svg = io.BytesIO(), io.BytesIO()
    figure.savefig(png, format="png", dpi=dpi)
    figure.savefig(svg, format="svg", metadata={"Date": None})
    return png.getvalue(), svg.getvalue()
