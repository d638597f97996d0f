"""Groups of the queries of a pack, their split, and the requirements that a pack must meet."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from envs.natural.duplicates import near_clusters
from envs.queries import Pools, Query, split_by_group
from envs.vocabulary import QUERY_KINDS, QueryKind, Split

SHARES: Mapping[Split, float] = {"train": 0.5, "certify": 0.25, "probe": 0.25}
GROUPS_NEEDED = 8  # of each kind, so that every split has groups of its own
TWIN_OF = "twin-"  # before the name of a harmful group: the group of its twins
Q = TypeVar("Q", bound=Query)


def clustered(queries: Sequence[Q], written: Callable[[Q], str]) -> list[Q]:
    """Put near duplicates into one group; twins follow the harmful queries that they are near duplicates of.

    Queries are compared as `written`.
    """
    grouped: dict[int, Q] = {}
    for kinds in (("harmful", "twin"), ("harmless",)):
        places = [index for index, query in enumerate(queries) if query.kind in kinds]
        clusters = near_clusters([written(queries[index]) for index in places])
        first: dict[int, str] = {}
        harmful: set[int] = set()
        for index, cluster in zip(places, clusters, strict=True):
            first.setdefault(cluster, f"near {queries[index].id}")
            if queries[index].kind == "harmful":
                harmful.add(cluster)
        for index, cluster in zip(places, clusters, strict=True):
            follows = queries[index].kind == "twin" and cluster in harmful
            grouped[index] = replace(queries[index], group=f"{TWIN_OF if follows else ''}{first[cluster]}")
    return [grouped[index] for index in range(len(queries))]


def split_with_twins(
    queries: Sequence[Q], likeness: Callable[[Q], Hashable] | None = None
) -> dict[tuple[Split, QueryKind], tuple[Q, ...]]:
    """Split by group; a twin group named `twin-` and the name of a harmful group falls into the split of that group.

    So no split shows another split's harmful queries in the form of twins. Groups of one `likeness` are spread over the
    splits.
    """
    harmful = {query.group for query in queries if query.kind == "harmful"}
    following = [q for q in queries if q.kind == "twin" and q.group.removeprefix(TWIN_OF) in harmful - {q.group}]
    apart = set(following)
    splits = split_by_group([query for query in queries if query not in apart], SHARES, likeness)
    for split in SHARES:
        leading = {query.group for query in splits[split, "harmful"]}
        followers = (query for query in following if query.group.removeprefix(TWIN_OF) in leading)
        splits[split, "twin"] = (*splits[split, "twin"], *followers)
    return splits


def require_groups(path: Path, queries: Iterable[Query], called: str, kinds: Sequence[QueryKind] = QUERY_KINDS) -> None:
    """Require enough groups of each kind for every split to have some; `called` names one query in the message.

    Raises:
        ValueError: for a kind with fewer than `GROUPS_NEEDED`.
    """
    groups = Counter(kind for kind, _ in {(query.kind, query.group) for query in queries})
    for kind in kinds:
        if groups[kind] < GROUPS_NEEDED:
            raise ValueError(
                f"{path}: {groups[kind]} groups of {kind} {called}s are too few to split, near duplicates being one "
                f"group: give at least {GROUPS_NEEDED} of each kind"
            )


def require_queries(path: Path, pools: Pools[Q], called: str) -> None:
    """Require queries in every pool once duplicates are removed; `called` names one query in the message.

    Raises:
        ValueError: for an empty pool.
    """
    for (split, kind), pool in pools.items():
        if not pool:
            raise ValueError(
                f"{path}: without duplicates no {kind} {called} is left in the {split} split: "
                f"add {kind} {called}s that differ more from each other"
            )
