"""What there is to choose from: every recipe, organism, algorithm, reward, probe, mitigation and query, a line each."""

import difflib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from envs.dialect.queries import builtin_queries
from rewards import Reward
from rl.algorithms import Algorithm
from rl.config import members
from rl.mitigations import Mitigation
from rl.organisms import Organism
from rl.probes import Probe
from rl.recipes import RECIPES


def _components(union: Any) -> Iterator[str]:
    for member in members(union):
        doc = (member.__doc__ or "").strip().splitlines()[0]
        yield f"{member.model_fields['kind'].default:<16} {getattr(member, 'summary', doc)}"


def _recipes() -> Iterator[str]:
    for name, recipe in RECIPES.items():
        yield f"{name:<22} {(recipe.__doc__ or '').strip().splitlines()[0]}"


def _queries() -> Iterator[str]:
    for query in builtin_queries():
        yield json.dumps({key: value for key, value in asdict(query).items() if key != "id"})


LISTS: dict[str, Callable[[], Iterator[str]]] = {
    "recipes": _recipes,
    "organisms": lambda: _components(Organism),
    "algorithms": lambda: _components(Algorithm),
    "rewards": lambda: _components(Reward),
    "probes": lambda: _components(Probe),
    "mitigations": lambda: _components(Mitigation),
    "queries": _queries,
}


def catalogue(what: str) -> Iterator[str]:
    """The lines of one list.

    Raises:
        ValueError: for a list that doesn't exist, naming the nearest.
    """
    if what not in LISTS:
        near = difflib.get_close_matches(what, LISTS, n=1, cutoff=0.4)
        raise ValueError(
            f"nothing to list under {what!r}: " + (f"did you mean {near[0]!r}?" if near else ", ".join(LISTS))
        )
    return LISTS[what]()
