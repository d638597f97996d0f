"""What keeps a study's runs from being compared as they are: differing builds, rewards or prompts, no baseline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from reports.cells import BASELINE, Cell, Study
from reports.folder import Run

NAMED = 6  # runs by name in one notice; of the others their number


def notices(study: Study) -> list[str]:
    """A line for each organism or arm whose runs don't share what their comparison takes for shared. Empty: all do."""
    return [line for organism in study.organisms for line in _of_organism(study, organism)]


def one_build_each(study: Study) -> bool:
    """Whether all runs of every organism start from the same build of it."""
    return all(
        len({run.manifest.organism_hash for cell in study.cells if cell.organism == organism for run in cell.runs}) == 1
        for organism in study.organisms
    )


def _of_organism(study: Study, organism: str) -> Iterator[str]:
    cells = [cell for cell in study.cells if cell.organism == organism]
    builds = _unlike_most(cells, "organism_hash")
    if builds:
        yield (
            f"{organism}: its runs start from different builds of it (organism_hash): {builds}. Seeds then differ in "
            "their build too, and an arm may differ from its baseline by it. Unless that is meant, train these again "
            "from the build of the others, or leave them out."
        )
    rewards = _unlike_most(cells, "reward_hashes")
    if rewards:
        yield (
            f"{organism}: its runs were trained on different builds of a reward (reward_hashes): {rewards}. "
            "Differences may be the reward's. Train these again on that of the others, or leave them out."
        )
    baseline = study.cell(organism, BASELINE)
    if baseline is None:
        yield (
            f"{organism}: there is no baseline, so its arms are compared with nothing. Add runs without mitigations "
            "whose other settings are the same."
        )
        return
    for cell in cells:
        yield from _unpaired_prompts(cell, baseline)


def _unlike_most(cells: Sequence[Cell], fact: str) -> str:
    """The runs whose manifests hold something else than most do, and one of those that most agree with; "" of none."""
    runs = [(_name(cell, run), getattr(run.manifest, fact)) for cell in cells for run in cell.runs]
    found = [value for _, value in runs]
    most: Any = max(found, key=found.count)
    others = [name for name, value in runs if value != most]
    return f"unlike {runs[found.index(most)][0]}, {_listed(others)}" if others else ""


def _unpaired_prompts(cell: Cell, baseline: Cell) -> Iterator[str]:
    partners = baseline.by_seed
    unlike = [
        _name(cell, run)
        for seed, run in cell.by_seed.items()
        if seed in partners and run.manifest.prompt_set_hashes != partners[seed].manifest.prompt_set_hashes
    ]
    if unlike:
        yield (
            f"{cell.organism}, {cell.arm}: probed on other prompts (prompt_set_hashes) than the baseline of the same "
            f"seed: {_listed(unlike)}. Their differences are of prompts too. Train both of each pair again with the "
            "same code, or leave them out."
        )


def _name(cell: Cell, run: Run) -> str:
    return f"{cell.arm} seed {run.manifest.seed}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
