"""Notices of a study: facts in which its runs differ, organisms without a baseline, collapsed runs."""

from __future__ import annotations

from collections.abc import Sequence

from reports.folder import Run
from reports.pages.comparability import Compared, comparability_notices
from reports.study.cells import BASELINE, Cell, Study
from reports.summary import run_notices
from reports.units import written_place

IN_FULL = 12  # notices of single runs; further notices are grouped by wording, without figures


def study_notices(study: Study) -> list[str]:
    """Write a line for each fact in which runs differ, each organism without a baseline, and each notice of a run.

    Call the function once: it reads the first and the last probed episodes of every run. An empty list means that there
    is nothing to report.
    """
    compared = [
        Compared(run, f"{cell.label} {written_place(run)}", cell.organism) for cell in study.cells for run in cell.runs
    ]
    alone = [
        f"{organism}: there is no baseline, so its arms are compared with nothing. Add runs without mitigations whose "
        "other settings are the same."
        for organism in study.organisms
        if study.cell(organism, BASELINE) is None
    ]
    return [*comparability_notices(compared), *alone, *_of_single_runs(study)]


def _of_single_runs(study: Study) -> list[str]:
    """Write collapses and labels that don't apply, run by run.

    The first `IN_FULL` are written in full. Further ones are grouped by their wording, with the names of their runs.
    """
    found = [(cell, run, notice) for cell in study.cells for run in cell.runs for notice in run_notices(run)]
    lines = [f"{_named(study, cell)} {written_place(run)}: {notice}" for cell, run, notice in found[:IN_FULL]]
    alike: dict[str, list[tuple[Cell, Run]]] = {}
    for cell, run, notice in found[IN_FULL:]:
        alike.setdefault(notice.partition(":")[0].partition(" (")[0], []).append((cell, run))
    return [*lines, *(f"{said}: also {_listed(study, runs)}" for said, runs in alike.items())]


def _named(study: Study, cell: Cell) -> str:
    return f"{cell.organism}, {cell.label}" if len(study.organisms) > 1 else cell.label


def _listed(study: Study, runs: Sequence[tuple[Cell, Run]]) -> str:
    """List runs by their arm: `faker, short: build 0 seed 0, build 1 seed 0; faker, steered: build 2 seed 0`."""
    places: dict[str, list[str]] = {}
    for cell, run in runs:
        places.setdefault(_named(study, cell), []).append(written_place(run))
    return "; ".join(f"{name}: {', '.join(of)}" for name, of in places.items())
