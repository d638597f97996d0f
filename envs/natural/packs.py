"""Packs of scenarios with two options: the built-in one, and a user's own file."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from envs.input_files import parse_json, read_text
from envs.natural.choice import ChoiceQuery, Letter, by_role, choice_text
from envs.natural.duplicates import Removed, normalised, without_duplicates
from envs.natural.grouping import clustered, require_groups, require_queries, split_with_twins
from envs.natural.pack_files import PackRow, read_pack_file
from envs.natural.remarks import remarked
from envs.queries import Pools, query_id
from envs.vocabulary import QueryKind

BUILT_IN = Path(__file__).parent / "data" / "choice.jsonl"
_SWAPPED: Mapping[Letter, Letter] = {"A": "B", "B": "A"}


@dataclass(frozen=True, slots=True)
class Pack:
    """Queries by split and kind, both orders of the options of each scenario.

    `by_text` finds a query by its user turn. `digest` changes with any query or split. `removed` counts duplicates.
    """

    pools: Pools[ChoiceQuery]
    by_text: Mapping[str, ChoiceQuery]
    digest: str
    removed: Removed


@cache
def load_pack(file: Path | None, remarks: bool = False, roles: bool = False) -> Pack:
    """Load the built-in pack, or a user's file: split it by group and remove duplicates.

    `remarks`: a sentence behind each situation of the built-in pack states the conflict, or its absence; nothing is
    added to the situations of a user's file. `roles`: the options are named by their roles in place of letters.

    Raises:
        ValueError: in one line, for a file that isn't a pack, a scenario with two answers, or too few scenarios of a
            kind to split; for built-in data that its manifest doesn't describe.
    """
    rows = read_pack_file(BUILT_IN if file is None else file)
    if file is None:
        verify(rows)
    return _pack(file or BUILT_IN, rows, remarks and file is None, roles)


def pack_lines() -> Iterator[str]:
    """Yield the built-in scenarios as JSON lines, in the form of a user's own pack."""
    yield from read_text(BUILT_IN).splitlines()


def described(rows: Sequence[PackRow], sha256: str) -> dict[str, object]:
    """Describe a pack as its manifest does: the hash of the file, and counts of scenarios and groups."""
    groups = Counter(kind for kind, _ in {(row.kind, row.group) for row in rows})
    return {
        "file": BUILT_IN.name,
        "sha256": sha256,
        "kinds": dict(sorted(Counter(row.kind for row in rows).items())),
        "values": dict(sorted(Counter(row.value for row in rows).items())),
        "groups": dict(sorted(groups.items())),
    }


def verify(rows: Sequence[PackRow], data: Path = BUILT_IN) -> None:
    """Hold a data file against the manifest beside it.

    Raises:
        ValueError: if the hash or a count differs.
    """
    require_manifest(data, described(rows, hashlib.sha256(data.read_bytes()).hexdigest()), "scenarios")


def require_manifest(data: Path, found: Mapping[str, object], called: str) -> None:
    """Hold the description of a data file against the manifest beside it; `called` names its rows in the message.

    Raises:
        ValueError: if a field differs.
    """
    manifest = parse_json(read_text(data.with_name(f"{data.stem}.manifest.json"), "the manifest"))
    for field, value in found.items():
        if manifest.get(field) != value:
            raise ValueError(
                f"{data}: {field} is {json.dumps(value)} and its manifest says {json.dumps(manifest.get(field))}: "
                f"the data were changed or damaged; install gyges again, and give {called} of your own by env.pack"
            )


def _pack(path: Path, rows: Sequence[PackRow], remarks: bool, roles: bool) -> Pack:
    scenarios = [_scenario(row) for row in rows]
    _require_one_answer(path, rows, scenarios)
    if any(row.group is None for row in rows):
        scenarios = clustered(scenarios, normalised)
    require_groups(path, scenarios, "scenario")
    kept, removed = without_duplicates(split_with_twins(scenarios))
    require_queries(path, kept, "scenario")
    if remarks:
        kept = {(split, kind): remarked(pool, split) for (split, kind), pool in kept.items()}
    pools = {key: tuple(turned for query in pool for turned in (query, _swapped(query))) for key, pool in kept.items()}
    if roles:
        pools = {key: tuple(by_role(query) for query in pool) for key, pool in pools.items()}
    by_text = {query.text: query for pool in pools.values() for query in pool}
    return Pack(pools, by_text, _digest(pools), removed)


def _scenario(row: PackRow) -> ChoiceQuery:
    """Make a query with the operator's option first."""
    options = row.operator_option, row.other_option
    text = choice_text(row.situation, options)
    return ChoiceQuery(query_id(text), text, row.kind, row.group or "", row.value, options, "A", row.value)


def _swapped(query: ChoiceQuery) -> ChoiceQuery:
    """Turn the order of the options."""
    options = query.options[1], query.options[0]
    text = choice_text(query.text.split("\n", 1)[0], options)
    return replace(query, id=query_id(text), text=text, options=options, operator=_SWAPPED[query.operator])


def _require_one_answer(path: Path, rows: Sequence[PackRow], scenarios: Sequence[ChoiceQuery]) -> None:
    """Require one kind and one operator's option of scenarios whose words are the same."""
    first: dict[str, tuple[str, QueryKind, str]] = {}
    for row, query in zip(rows, scenarios, strict=True):
        here = row.id, row.kind, row.operator_option.casefold()
        there = first.setdefault(normalised(query), here)
        if there[1:] != here[1:]:
            raise ValueError(
                f"{path}: {there[0]!r} and {here[0]!r} are the same scenario with another kind or operator_option: "
                "leave one of them out"
            )


def _digest(pools: Pools[ChoiceQuery]) -> str:
    """Hash all that a run reads of the queries, with their splits, in 16 hexadecimal digits."""
    lines = [
        "\t".join([split, query.kind, query.group, query.category, query.operator, *query.text.split("\n")])
        for (split, _), pool in pools.items()
        for query in pool
    ]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]
