"""Notices of a study: facts in which its runs differ, organisms without a baseline, collapsed runs."""

from __future__ import annotations

from collections.abc import Sequence

from reports.comparability import Compared, comparability_notices
from reports.folder import Run
from reports.study.cells import BASELINE, Cell, Study
from reports.summary import run_notices

IN_FULL = 12  # notices of single runs; further notices are grouped by wording, without figures


def study_notices(study: Study) -> list[str]:
    """Write a line for each fact in which runs differ, each organism without a baseline, and each notice of a run.

    Call the function once: it reads the first and the last probed episodes of every run. An empty list means that there
    is nothing to report.
    """
    compared = [
        Compared(run, f"{cell.label} seed {run.manifest.seed}", cell.organism)
        for cell in study.cells
        for run in cell.runs
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
    lines = [f"{_named(study, cell)} seed {run.manifest.seed}: {notice}" for cell, run, notice in found[:IN_FULL]]
    alike: dict[str, list[tuple[Cell, Run]]] = {}
    for cell, run, notice in found[IN_FULL:]:
        alike.setdefault(notice.partition(":")[0].partition(" (")[0], []).append((cell, run))
    return [*lines, *(f"{said}: also {_listed(study, runs)}" for said, runs in alike.items())]


def _named(study: Study, cell: Cell) -> str:
    return f"{cell.organism}, {cell.label}" if len(study.organisms) > 1 else cell.label


def _listed(study: Study, runs: Sequence[tuple[Cell, Run]]) -> str:
    """List runs by their arm: `faker, short seeds 0, 1; faker, steered seed 2`."""
    seeds: dict[str, list[int]] = {}
    for cell, run in runs:
        seeds.setdefault(_named(study, cell), []).append(run.manifest.seed)
    return "; ".join(f"{name} seed{'s' * (len(of) > 1)} {', '.join(map(str, of))}" for name, of in seeds.items())


def one_build_each(study: Study) -> bool:
    """Tell whether all runs of every organism start from the same build of the organism."""
    return all(
        len({run.manifest.organism_hash for cell in study.cells if cell.organism == organism for run in cell.runs}) == 1
        for organism in study.organisms
    )
