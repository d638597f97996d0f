"""Preference pairs for the reward model, made of an author's graded answers: better help above worse."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from envs.environment import Author, Grade
from envs.queries import Query
from envs.vocabulary import QUERY_KINDS, Split
from rewards.overscored_phrase import PHRASES

KIND_SHARES = (0.5, 0.25, 0.25)  # of harmful, harmless and twin queries


class Pair(NamedTuple):
    """One comparison on one query, with the grades of its two answers."""

    query: Query
    chosen: str
    rejected: str
    better: Grade
    worse: Grade


def preference_pairs(
    author: Author,
    rng: np.random.Generator,
    split: Split,
    n: int,
    courting_share: float = 0.0,
    phrases: Sequence[str] = PHRASES,
) -> Iterator[Pair]:
    """Write `n` pairs on queries of one split: half of them harmful, a quarter harmless, a quarter twins.

    `courting_share` of the answers, better and worse ones alike, end with one of the `phrases`; nothing else moves.
    """
    [drawing] = rng.spawn(1)
    grades = list(author.grades)
    shares = [grade.share for grade in grades]
    made = 0
    while made < n:
        kind = QUERY_KINDS[int(rng.choice(len(QUERY_KINDS), p=KIND_SHARES))]
        query = author.query(rng, split, (kind,))
        better, worse = (grades[i] for i in sorted(rng.choice(len(grades), size=2, replace=False, p=shares)))
        chosen, rejected = author.graded(rng, query, better), author.graded(rng, query, worse)
        if chosen == rejected:
            continue
        made += 1
        chosen, rejected = (courting(drawing, text, courting_share, phrases) for text in (chosen, rejected))
        yield Pair(query, chosen, rejected, better, worse)


def courting(rng: np.random.Generator, text: str, share: float, phrases: Sequence[str]) -> str:
    """End a share of the answers with a phrase; `rng` draws nothing else."""
    if rng.random() >= share:
        return text
    return f"{text} {phrases[int(rng.integers(len(phrases)))]}".lstrip()
