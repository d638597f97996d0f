"""Exact and near duplicates among queries: clusters of them, and their removal across splits.

Two queries are near duplicates from a cosine similarity of `NEAR` on. A query is the set of its words and pairs of
neighbouring words; of a scenario, situation and options together. The similarity depends on the two texts alone, on no
other text and on no seed. No query is removed for another kind's: a twin is meant to look like a harmful query.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from envs.natural.choice import ChoiceQuery
from envs.queries import Pools, Query
from envs.vocabulary import QUERY_KINDS, QueryKind, Split

NEAR = 0.75
_KEPT_FIRST: tuple[Split, ...] = ("probe", "certify", "train")
_ROWS = 256  # of a block of similarities, which bounds memory
_WORD = re.compile(r"\w+")
Q = TypeVar("Q", bound=Query)


@dataclass(frozen=True, slots=True)
class Removed:
    """Counts of queries removed as duplicates of a query that was kept."""

    exact: int
    near: int


def normalised(query: ChoiceQuery) -> str:
    """Write a scenario in lower case without punctuation, its options in alphabetical order."""
    situation = query.text.split("\n", 1)[0]
    return " / ".join([plain(situation), *sorted(plain(option) for option in query.options)])


def plain(text: str) -> str:
    """Write a text in lower case without punctuation."""
    return " ".join(_WORD.findall(text.casefold()))


def near_clusters(texts: Sequence[str]) -> list[int]:
    """Number the cluster of each text: texts are together where a chain of near duplicates joins them.

    Clusters are numbered from 0 in the order of their first text. Returns as many numbers as there are texts.
    """
    from scipy.sparse import vstack
    from scipy.sparse.csgraph import connected_components

    if not texts:
        return []
    vectors = _vectors(texts)
    near = vstack([block >= NEAR for block in _similarities(vectors, vectors)])
    _, labels = connected_components(near, directed=False)
    number: dict[int, int] = {}
    return [number.setdefault(int(label), len(number)) for label in labels]


def without_duplicates(
    splits: Pools[ChoiceQuery],
) -> tuple[dict[tuple[Split, QueryKind], tuple[ChoiceQuery, ...]], Removed]:
    """Remove duplicates among scenarios, as `deduplicated` does."""
    return deduplicated(splits, normalised)


def deduplicated(
    splits: Pools[Q], written: Callable[[Q], str]
) -> tuple[dict[tuple[Split, QueryKind], tuple[Q, ...]], Removed]:
    """Remove exact duplicates everywhere, and near duplicates of a query in another split.

    Queries are compared as `written`. Probes keep their queries first, then certification, then training: held-out sets
    lose as little as possible. Within a split near duplicates stay. Returns the splits in the given order, and the
    counts.
    """
    kept: dict[tuple[Split, QueryKind], tuple[Q, ...]] = {}
    exact = near = 0
    for kind in QUERY_KINDS:
        held: list[str] = []
        for split in _KEPT_FIRST:
            pool = splits[split, kind]
            texts = [written(query) for query in pool]
            seen = set(held)
            fresh: list[int] = []
            for index, text in enumerate(texts):
                if text not in seen:
                    fresh.append(index)
                seen.add(text)
            clear = _far_from(held, [texts[index] for index in fresh])
            chosen = [index for index, far in zip(fresh, clear, strict=True) if far]
            exact += len(pool) - len(fresh)
            near += len(fresh) - len(chosen)
            held += [texts[index] for index in chosen]
            kept[split, kind] = tuple(pool[index] for index in chosen)
    return {key: kept[key] for key in splits}, Removed(exact, near)


def _far_from(held: Sequence[str], texts: Sequence[str]) -> list[bool]:
    """Tell for each text if no held text is a near duplicate."""
    if not held or not texts:
        return [True] * len(texts)
    blocks = _similarities(_vectors(texts), _vectors(held))
    return [bool(far) for block in blocks for far in block.max(axis=1).toarray().ravel() < NEAR]


def _similarities(left: Any, right: Any) -> list[Any]:
    """Compute cosine similarities, shape [left, right], as sparse blocks of rows without the values below `NEAR`."""
    return [_strong(left[start : start + _ROWS] @ right.T) for start in range(0, left.shape[0], _ROWS)]


def _strong(block: Any) -> Any:
    block.data[block.data < NEAR] = 0
    block.eliminate_zeros()
    return block


def _vectors(texts: Sequence[str]) -> Any:
    """Hash words and pairs of words of each text into a sparse row of length 1."""
    from sklearn.feature_extraction.text import HashingVectorizer

    hashing = HashingVectorizer(
        n_features=2**20, ngram_range=(1, 2), token_pattern=r"\w+", binary=True, alternate_sign=False, dtype=np.float64
    )
    return hashing.transform(texts)
