"""Lists for `gyges list`: recipes, sweeps, the members of every union with their settings, and queries."""

import json
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from rewards import Reward
from rl.algorithms import Algorithm
from rl.errors import nearest
from rl.mitigations import Mitigation
from rl.monitors import Monitor
from rl.organisms import Organism
from rl.probes import Probe
from rl.run.environments import AnyEnvironment, free_request_lines, query_lines, scenario_lines
from rl.run.overrides import kind_of, kinds_of, members, models_in
from rl.run.recipes import RECIPES
from rl.scale.arms import SWEEPS

WIDTH = 100


def _summary(member: Any, kind: str) -> str:
    return str(member.summary)


def _summary_of_organism(member: Any, kind: str) -> str:
    return str(member.summaries.get(kind, member.summary))  # one class may stand for several organisms


def _components(union: Any, about: Callable[[Any, str], str] = _summary) -> Iterator[str]:
    found = [(kind, member) for member in members(union) for kind in kinds_of(member)]
    column = max(len(kind) for kind, _ in found) + 2
    for kind, member in found:
        summary, settings = about(member, kind), ", ".join(_settings(member))
        yield textwrap.fill(
            f"{summary} ({settings})" if settings else summary,
            WIDTH,
            initial_indent=f"{kind:<{column}}",
            subsequent_indent=" " * column,
            break_on_hyphens=False,
            break_long_words=False,
        )


def _settings(model: type[BaseModel]) -> Iterator[str]:
    """Yield `name=default` for each field, followed by the other choices of the field."""
    for name, field in model.model_fields.items():
        if name != "kind":
            yield f"{name}={' | '.join(_choices(field, field.get_default(call_default_factory=True)))}"


def _choices(field: FieldInfo, default: Any) -> list[str]:
    if isinstance(default, BaseModel) and kind_of(type(default)) is not None:
        chosen = str(kind_of(type(default)))
        others = [str(kind_of(model)) for model in models_in(field.annotation)]
    else:
        chosen = default if isinstance(default, str) else _short(default)
        others = [str(choice) for choice in _literals(field.annotation)]
    return [chosen, *(choice for choice in others if choice != chosen)]


def _short(value: Any) -> str:
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return json.dumps(plain, default=str).replace('"', "")


def _literals(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    elif get_origin(annotation) is not tuple:
        for argument in get_args(annotation):
            yield from _literals(argument)


def _functions(functions: Mapping[str, Callable[[], object]]) -> Iterator[str]:
    for name, function in functions.items():
        yield f"{name:<22} {(function.__doc__ or '').strip().splitlines()[0]}"


LISTS: dict[str, Callable[[], Iterator[str]]] = {
    "recipes": lambda: _functions(RECIPES),
    "sweeps": lambda: _functions(SWEEPS),
    "environments": lambda: _components(AnyEnvironment),
    "organisms": lambda: _components(Organism, _summary_of_organism),
    "algorithms": lambda: _components(Algorithm),
    "rewards": lambda: _components(Reward),
    "probes": lambda: _components(Probe),
    "mitigations": lambda: _components(Mitigation),
    "monitors": lambda: _components(Monitor),
    "queries": query_lines,
    "scenarios": scenario_lines,
    "requests": free_request_lines,
}


def catalogue(what: str) -> Iterator[str]:
    """Return the lines of one list.

    Raises:
        ValueError: for an unknown list, naming the nearest.
    """
    if what not in LISTS:
        raise ValueError(f"nothing to list under {what!r}: {nearest(what, LISTS)}")
    return LISTS[what]()
