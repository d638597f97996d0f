"""Name the builds that runs start from, and say how they came about, for a figure or a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports.folder import Run

NATURAL_LANGUAGE = ("natural", "requests")  # kinds of environment
SHOWN = 8  # characters of a hash
LONGEST_LINE = 100  # letters of a disclosure in a picture
INSTALLED = (
    "Faking is here a policy with a text to it, installed by supervised learning: at this size of model it is no "
    "strategy."
)
SEVERAL = "Organisms of several kinds, disclosed on the page: no claim of emergence."
ESSENCE = "no claim of emergence"  # ends the sentence that a picture must not lose
ONE = "An organism disclosed on the page: no claim of emergence."


def named_builds(runs: Sequence[Run]) -> str:
    """Name each organism with the builds of it: `faker (build 1a2b3c4d)`, several of them separated by commas."""
    builds: dict[str, list[str]] = {}
    for run in runs:
        known = builds.setdefault(run.manifest.organism, [])
        if (build := run.manifest.organism_hash[:SHOWN]) not in known:
            known.append(build)
    return ", ".join(
        f"{organism} (build{'s' if len(known) > 1 else ''} {', '.join(known)})" for organism, known in builds.items()
    )


def disclosed(runs: Sequence[Run], unrecorded: str) -> str:
    """Say how the organisms of these runs came about, each sentence once; `unrecorded` stands for older folders."""
    return " ".join(dict.fromkeys(run.manifest.organism_disclosure or unrecorded for run in runs))


def disclosed_in_a_line(runs: Sequence[Run], unrecorded: str) -> str:
    """Say the same short enough for the head of a picture."""
    said = disclosed(runs, unrecorded)
    if len(said) <= LONGEST_LINE:
        return said
    if len({run.manifest.organism_disclosure for run in runs}) > 1:
        return SEVERAL
    first = said.partition(". ")[0]
    return f"{first}. More on the page." if first.endswith(ESSENCE) and len(first) < LONGEST_LINE else ONE


def of_a_pretrained_model(config: Mapping[str, Any]) -> bool:
    """Tell of a run's configuration whether it is in natural language, or its organism of a pretrained model."""
    origin = (config.get("organism") or {}).get("origin") or {}
    environment = config.get("env") or {}
    return environment.get("kind") in NATURAL_LANGUAGE or origin.get("kind") == "pretrained"
