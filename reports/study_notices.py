"""Notices of a study: the facts in which its runs differ, and organisms without a baseline."""

from __future__ import annotations

from reports import comparability
from reports.cells import BASELINE, Study


def notices(study: Study) -> list[str]:
    """A line for each fact in which runs differ, and for each organism that has no baseline. Empty: nothing to say."""
    compared = [
        comparability.Compared(run, f"{cell.label} seed {run.manifest.seed}", cell.organism)
        for cell in study.cells
        for run in cell.runs
    ]
    alone = [
        f"{organism}: there is no baseline, so its arms are compared with nothing. Add runs without mitigations whose "
        "other settings are the same."
        for organism in study.organisms
        if study.cell(organism, BASELINE) is None
    ]
    return [*comparability.notices(compared), *alone]


def one_build_each(study: Study) -> bool:
    """Whether all runs of every organism start from the same build of it."""
    return all(
        len({run.manifest.organism_hash for cell in study.cells if cell.organism == organism for run in cell.runs}) == 1
        for organism in study.organisms
    )
