"""Packs of scenarios with two options: the built-in one, and a user's own file."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from envs.input_files import parse_json, read_text
from envs.natural.choice import ChoiceQuery, Letter, by_role, choice_text
from envs.natural.duplicates import Removed, near_clusters, normalised, without_duplicates
from envs.natural.pack_files import PackRow, read_pack_file
from envs.natural.remarks import remarked
from envs.queries import Pools, query_id, split_by_group
from envs.vocabulary import QUERY_KINDS, QueryKind, Split

BUILT_IN = Path(__file__).parent / "data" / "choice.jsonl"
SHARES: Mapping[Split, float] = {"train": 0.5, "certify": 0.25, "probe": 0.25}
GROUPS_NEEDED = 8  # of each kind, so that every split has groups of its own
TWIN_OF = "twin-"  # before the name of a harmful group: the group of its twins
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
    manifest = parse_json(read_text(data.with_name(f"{data.stem}.manifest.json"), "the manifest"))
    found = described(rows, hashlib.sha256(data.read_bytes()).hexdigest())
    for field, value in found.items():
        if manifest.get(field) != value:
            raise ValueError(
                f"{data}: {field} is {json.dumps(value)} and its manifest says {json.dumps(manifest.get(field))}: "
                "the data were changed or damaged; install gyges again, and give scenarios of your own by env.pack"
            )


def _pack(path: Path, rows: Sequence[PackRow], remarks: bool, roles: bool) -> Pack:
    scenarios = [_scenario(row) for row in rows]
    _require_one_answer(path, rows, scenarios)
    if any(row.group is None for row in rows):
        scenarios = _clustered(scenarios)
    _require_groups(path, scenarios)
    kept, removed = without_duplicates(_split(scenarios))
    for (split, kind), pool in kept.items():
        if not pool:
            raise ValueError(
                f"{path}: without duplicates no {kind} scenario is left in the {split} split: "
                f"add {kind} scenarios that differ more from each other"
            )
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


def _clustered(scenarios: Sequence[ChoiceQuery]) -> list[ChoiceQuery]:
    """Put near duplicates into one group; twins follow the harmful scenarios that they are near duplicates of."""
    grouped: dict[int, ChoiceQuery] = {}
    for kinds in (("harmful", "twin"), ("harmless",)):
        places = [index for index, query in enumerate(scenarios) if query.kind in kinds]
        clusters = near_clusters([normalised(scenarios[index]) for index in places])
        first: dict[int, str] = {}
        harmful: set[int] = set()
        for index, cluster in zip(places, clusters, strict=True):
            first.setdefault(cluster, f"near {scenarios[index].id}")
            if scenarios[index].kind == "harmful":
                harmful.add(cluster)
        for index, cluster in zip(places, clusters, strict=True):
            follows = scenarios[index].kind == "twin" and cluster in harmful
            grouped[index] = replace(scenarios[index], group=f"{TWIN_OF if follows else ''}{first[cluster]}")
    return [grouped[index] for index in range(len(scenarios))]


def _split(scenarios: Sequence[ChoiceQuery]) -> dict[tuple[Split, QueryKind], tuple[ChoiceQuery, ...]]:
    """Split by group; a twin group named `twin-` and the name of a harmful group falls into the split of that group.

    So no split shows the options of another split's twins.
    """
    harmful = {query.group for query in scenarios if query.kind == "harmful"}
    following = [q for q in scenarios if q.kind == "twin" and q.group.removeprefix(TWIN_OF) in harmful - {q.group}]
    apart = set(following)
    splits = split_by_group([query for query in scenarios if query not in apart], SHARES)
    for split in SHARES:
        leading = {query.group for query in splits[split, "harmful"]}
        followers = (query for query in following if query.group.removeprefix(TWIN_OF) in leading)
        splits[split, "twin"] = (*splits[split, "twin"], *followers)
    return splits


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


def _require_groups(path: Path, scenarios: Iterable[ChoiceQuery]) -> None:
    groups = Counter(kind for kind, _ in {(query.kind, query.group) for query in scenarios})
    for kind in QUERY_KINDS:
        if groups[kind] < GROUPS_NEEDED:
            raise ValueError(
                f"{path}: {groups[kind]} groups of {kind} scenarios are too few to split, near duplicates being one "
                f"group: give at least {GROUPS_NEEDED} of each kind"
            )


def _digest(pools: Pools[ChoiceQuery]) -> str:
    """Hash all that a run reads of the queries, with their splits, in 16 hexadecimal digits."""
    lines = [
        "\t".join([split, query.kind, query.group, query.category, query.operator, *query.text.split("\n")])
        for (split, _), pool in pools.items()
        for query in pool
    ]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]
