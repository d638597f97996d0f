"""The report of run folders: the page and the curves, each written whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reports.figures.curves import draw_curves
from reports.folder import read_run
from reports.pages.page import render_page
from reports.whole_files import write_whole


@dataclass(frozen=True)
class ReportPaths:
    """Paths of the three files of a report."""

    page: Path
    png: Path
    svg: Path


def write_report(
    folders: Sequence[str | Path],
    out: str | Path | None = None,
    notes: Sequence[str] = (),
    show_sensitive: bool = False,
) -> ReportPaths:
    """Write `report.html`, `curves.png` and `curves.svg` for one run, or for several overlaid.

    `out` defaults to the run's own folder and is created if missing; several runs need an `out`. `notes` stand at the
    top of the page. Replies to a set of real harm stand on the page only with `show_sensitive`. Raises `ValueError` for
    no run, for several runs without `out`, and as `read_run` does.
    """
    if not folders:
        raise ValueError("no run folder given; name at least one")
    if out is None and len(folders) > 1:
        raise ValueError("several runs go into one report: name a folder for it with --out")
    if len({Path(folder).resolve() for folder in folders}) < len(folders):
        raise ValueError("a run folder is named twice: name each once")
    runs = [read_run(folder) for folder in folders]
    target = runs[0].path if out is None else Path(out)
    target.mkdir(parents=True, exist_ok=True)
    paths = ReportPaths(target / "report.html", target / "curves.png", target / "curves.svg")
    png, svg = draw_curves(runs)
    # A lone surrogate in a model's text has no UTF-8: it becomes "?" and costs no report.
    page = render_page(runs, notes, show_sensitive).encode("utf-8", "replace")
    for path, content in ((paths.page, page), (paths.png, png), (paths.svg, svg)):
        write_whole(path, content)
    return paths
