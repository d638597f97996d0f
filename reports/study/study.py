"""A study of run folders: the page, the picture and the table of organisms x arms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reports.folder import Run, read_run
from reports.study.cells import Study, study_of
from reports.study.curves import draw_study
from reports.study.measures import measures_csv, noted_measures
from reports.study.notices import study_notices
from reports.study.page import render_study
from reports.study.panels import drawing_of
from reports.study.table import METRICS, table
from reports.study.written_table import as_csv, as_text
from reports.whole_files import write_whole


@dataclass(frozen=True)
class StudyPaths:
    """Paths of the five files of a study, and its table as text for a terminal."""

    page: Path
    png: Path
    svg: Path
    csv: Path
    measures: Path
    text: str


def write_study(folders: Sequence[str | Path], out: str | Path, notes: Sequence[str] = ()) -> StudyPaths:
    """Write `study.html`, `.png`, `.svg`, `.csv` and `study_measures.csv` into `out`, from run folders alone.

    Runs that differ in their seed only are one arm. `notes` stand at the top of the page. Raises `ValueError` for no
    run, for a run named twice, for a seed that an arm has twice, and as `read_run` does.
    """
    study = _read(folders)
    rows = table(study)
    drawing = drawing_of(study)
    measures = noted_measures(study)
    png, svg = draw_study(drawing)
    notices = study_notices(study)
    page = render_study(drawing, rows, svg, [*notes, *notices], measures)
    target = Path(out)
    paths = StudyPaths(
        page=target / "study.html",
        png=target / "study.png",
        svg=target / "study.svg",
        csv=target / "study.csv",
        measures=target / "study_measures.csv",
        text=as_text(study, rows, notices),
    )
    texts = {paths.page: page, paths.csv: as_csv(rows), paths.measures: measures_csv(measures)}
    # A lone surrogate in a name has no UTF-8: it becomes "?" and costs no page.
    contents = {path: text.encode("utf-8", "replace") for path, text in texts.items()}
    target.mkdir(parents=True, exist_ok=True)
    for path, content in (*contents.items(), (paths.png, png), (paths.svg, svg)):
        write_whole(path, content)
    return paths


def study_table(folders: Sequence[str | Path]) -> str:
    """Return the table and the notices alone, as text; raises as `write_study` does."""
    study = _read(folders)
    return as_text(study, table(study), study_notices(study))


def _read(folders: Sequence[str | Path]) -> Study:
    if not folders:
        raise ValueError("no run folder given; name at least one")
    if len({Path(folder).resolve() for folder in folders}) < len(folders):
        raise ValueError("a run folder is named twice: name each once")
    return study_of([_what_is_shown(read_run(folder)) for folder in folders])


def _what_is_shown(run: Run) -> Run:
    """Remove the probe rows that no study shows.

    Nine rows in ten go, and searching them would be most of the work. One row of every step stays, so that the probed
    steps remain known.
    """
    probes = run.probes
    shown = probes["metric"].isin([metric.name for metric in METRICS]) & ~probes["probe"].str.contains("/")
    return replace(run, probes=probes[shown | ~probes["step"].duplicated()].reset_index(drop=True))
