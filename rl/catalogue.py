"""What there is to choose from: recipes, sweeps, the members of every union, and queries; a line each."""

import difflib
import json
from collections.abc import Callable, Iterator, Mapping
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
from rl.sweeps import SWEEPS


def _components(union: Any) -> Iterator[str]:
    for member in members(union):
        doc = (member.__doc__ or "").strip().splitlines()[0]
        yield f"{member.model_fields['kind'].default:<16} {getattr(member, 'summary', doc)}"


def _functions(functions: Mapping[str, Callable[[], object]]) -> Iterator[str]:
    for name, function in functions.items():
        yield f"{name:<22} {(function.__doc__ or '').strip().splitlines()[0]}"


def _queries() -> Iterator[str]:
    for query in builtin_queries():
        # As in a query file: the id follows from the text, the conflict is the environment's.
        yield json.dumps({key: value for key, value in asdict(query).items() if key not in ("id", "conflict")})


LISTS: dict[str, Callable[[], Iterator[str]]] = {
    "recipes": lambda: _functions(RECIPES),
    "sweeps": lambda: _functions(SWEEPS),
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
