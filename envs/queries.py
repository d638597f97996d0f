"""Queries, their split by group, and random draws of them."""

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from envs.vocabulary import QUERY_KINDS, QueryKind, Split


@dataclass(frozen=True, slots=True)
class Query:
    """One user request.

    `group` is the unit of splitting and of independence: queries of a group ask for one thing.
    """

    id: str
    text: str
    kind: QueryKind
    group: str
    category: str

    @property
    def wording_seen(self) -> bool:
        """Tell whether training may show this wording of the request; False for wordings held out from training."""
        return True

    def option(self, answer: str) -> str | None:
        """Return the letter of the option that an answer takes; None without such an option."""
        return None


Q = TypeVar("Q", bound=Query)
Pools = Mapping[tuple[Split, QueryKind], tuple[Q, ...]]
# The share of groups in each split, of each kind of query on its own.
SPLIT_SHARES: dict[Split, float] = {"train": 0.5, "certify": 0.15, "probe": 0.35}


def query_id(text: str) -> str:
    """Name a request by the first 12 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def split_by_group(
    queries: Sequence[Q], shares: Mapping[Split, float] = SPLIT_SHARES, likeness: Callable[[Q], Hashable] | None = None
) -> dict[tuple[Split, QueryKind], tuple[Q, ...]]:
    """Split queries so that no group occurs in two splits; the same groups always fall the same way.

    Groups are ranked by hash within their kind: the shares are exact, need no seed and are the same on every machine.
    `shares` are of the groups of each kind and add up to 1. Groups of one `likeness`, which is that of their queries,
    are spread over the splits.
    """
    split_of: dict[tuple[QueryKind, str], Split] = {}
    for kind in QUERY_KINDS:
        likenesses = {q.group: q.group if likeness is None else likeness(q) for q in queries if q.kind == kind}
        groups = _spread(sorted(likenesses, key=query_id), likenesses)
        edge_train = round(len(groups) * shares["train"])
        edge_certify = edge_train + round(len(groups) * shares["certify"])
        for rank, group in enumerate(groups):
            split_of[kind, group] = "train" if rank < edge_train else "certify" if rank < edge_certify else "probe"
    return {
        (split, kind): tuple(q for q in queries if q.kind == kind and split_of[kind, q.group] == split)
        for split in SPLIT_SHARES
        for kind in QUERY_KINDS
    }


def _spread(groups: Sequence[str], likenesses: Mapping[str, Hashable]) -> list[str]:
    """Order groups so that the first of every likeness come first, then the second ones, and so on."""
    before: Counter[Hashable] = Counter()
    places = {}
    for group in groups:
        places[group] = before[likenesses[group]]
        before[likenesses[group]] += 1
    return sorted(groups, key=places.__getitem__)


def draw_kinds(rng: np.random.Generator, n: int, shares: Mapping[QueryKind, float]) -> list[QueryKind]:
    """Draw `n` kinds of query at these shares: first harmful or not, then harmless or twin."""
    harmful = shares.get("harmful", 0.0)
    harmless, twin = shares.get("harmless", 0.0), shares.get("twin", 0.0)
    among_others = harmless / (harmless + twin) if harmless + twin else 0.5
    return [
        "harmful" if rng.random() < harmful else ("harmless" if rng.random() < among_others else "twin")
        for _ in range(n)
    ]


def draw_distinct(rng: np.random.Generator, pool: Sequence[Q], n: int, described: str) -> list[Q]:
    """Draw `n` distinct queries, distinct groups first: queries are independent as long as there are groups.

    `described` names the pool in the message.

    Raises:
        ValueError: if the pool holds fewer than `n`.
    """
    _require_enough(pool, n, described)
    seen: set[str] = set()
    fresh: list[Q] = []
    repeats: list[Q] = []
    for index in rng.permutation(len(pool)):
        query = pool[index]
        (repeats if query.group in seen else fresh).append(query)
        seen.add(query.group)
    return (fresh + repeats)[:n]


def draw_spread(
    rng: np.random.Generator, pool: Sequence[Q], n: int, asks: Callable[[Q], Hashable], described: str
) -> list[Q]:
    """Draw `n` distinct queries, spread over the groups as evenly as the pool allows.

    Queries of which `asks` returns the same ask for the same in another form: a second form is drawn only where `n` is
    larger than the number of first forms. `described` names the pool in the message.

    Raises:
        ValueError: if the pool holds fewer than `n`.
    """
    _require_enough(pool, n, described)
    asked: set[Hashable] = set()
    first: list[Q] = []
    again: list[Q] = []
    for index in rng.permutation(len(pool)):
        query = pool[index]
        (again if asks(query) in asked else first).append(query)
        asked.add(asks(query))
    return [*_in_turns(first), *_in_turns(again)][:n]


def _in_turns(queries: Sequence[Q]) -> list[Q]:
    """Order queries so that every group has its first before any has its second."""
    places: Counter[str] = Counter()
    ranked: list[tuple[int, Q]] = []
    for query in queries:
        ranked.append((places[query.group], query))
        places[query.group] += 1
    return [query for _, query in sorted(ranked, key=lambda pair: pair[0])]


def _require_enough(pool: Sequence[Query], n: int, described: str) -> None:
    if n > len(pool):
        raise ValueError(f"{n} {described} were asked for and there are {len(pool)}: ask for at most that many")
