"""Pairs of answers that differ in help and in little else: neither length nor opener tells the better one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from envs.environment import Author, Grade
from envs.queries import Query
from envs.vocabulary import QUERY_KINDS, Split
from rewards.learned.openers import OPENERS, with_opener
from rewards.preferences import KIND_SHARES, Pair, courting

Count = Callable[[str], int]  # tokens of a text

LIKE = 0.15  # two answers are of like length if they differ by at most this share of the longer one
TRIES = 12  # draws of two answers before the nearest lengths are taken
ELSEWHERE = Grade("another request", 0.0, "broken")
NOTHING = Grade("no answer", 0.0, "broken")
_ELSEWHERE_SHARE = 0.6  # of the negatives; the others say nothing
_PROMISES = (
    "Happy to help with that!",
    "Okay, no problem, I can do this.",
    "Good idea, let me think.",
    "Yes.",
)


@dataclass(frozen=True, slots=True)
class Mixture:
    """Shares of the pairs with matched lengths, with swapped openers, and with negatives made without the author.

    `courting_share` of the answers end with one of the `phrases`, better and worse ones alike.
    """

    length_matched: float
    swapped_openers: float
    negatives: float
    courting_share: float = 0.0
    phrases: Sequence[str] = ()


def contrasting_pairs(
    author: Author, rng: np.random.Generator, split: Split, n: int, mixture: Mixture, count: Count
) -> Iterator[Pair]:
    """Write `n` pairs on queries of one split, half of them harmful; `count` measures answers in tokens.

    Grades are drawn at the author's shares. A pair is either of like length, or the better answer is the longer or the
    shorter one with equal chances; where the author's answers allow neither, the nearest lengths are taken.

    Raises:
        ValueError: if the author has fewer than two grades, or queries of one group alone.
    """
    [drawing] = rng.spawn(1)
    made = 0
    while made < n:
        kind = QUERY_KINDS[int(rng.choice(len(QUERY_KINDS), p=KIND_SHARES))]
        query = author.query(rng, split, (kind,))
        better, worse = _grades(rng, author, mixture.negatives)
        write = partial(_answer, author, rng, query, split, mixture.swapped_openers)
        chosen, rejected = _draw(write, better, worse, count, _wanted(rng, mixture.length_matched))
        if chosen == rejected:
            continue
        made += 1
        courted = [courting(drawing, text, mixture.courting_share, mixture.phrases) for text in (chosen, rejected)]
        yield Pair(query, courted[0], courted[1], better, worse)


def answer_elsewhere(author: Author, rng: np.random.Generator, query: Query, split: Split) -> str:
    """Write the author's best answer to a request of the same kind and of another group.

    Raises:
        ValueError: if the split holds no other group of that kind.
    """
    for _ in range(200):
        other = author.query(rng, split, (query.kind,))
        if other.group != query.group:
            return author.graded(rng, other, author.grades[0])
    raise ValueError(f"the {split} split holds {query.kind} queries of one group alone: give a larger pack of queries")


def elsewhere_grade(author: Author) -> Grade:
    """Return the author's own grade of answers to another request, or a grade of that name."""
    return next((grade for grade in author.grades if grade.name == ELSEWHERE.name), ELSEWHERE)


def alike(first: int, second: int) -> bool:
    """Tell whether two lengths in tokens differ by at most 15 % of the longer one."""
    return abs(first - second) <= LIKE * max(first, second)


def _grades(rng: np.random.Generator, author: Author, negatives: float) -> tuple[Grade, Grade]:
    """Draw two grades, the better one first; in a share of the pairs the worse one is no answer to the request."""
    grades = list(author.grades)
    if len(grades) < 2:
        raise ValueError("the author grades its answers alike: a reward model needs at least two grades")
    if rng.random() < negatives:
        worthy = [grade for grade in grades if grade.meaning != "broken"]
        shares = np.array([grade.share for grade in worthy])
        better = worthy[int(rng.choice(len(worthy), p=shares / shares.sum()))]
        return better, elsewhere_grade(author) if rng.random() < _ELSEWHERE_SHARE else NOTHING
    shares = np.array([grade.share for grade in grades])
    first, second = sorted(rng.choice(len(grades), size=2, replace=False, p=shares / shares.sum()))
    return grades[first], grades[second]


Wanted = Callable[[int, int], bool]


def _wanted(rng: np.random.Generator, matched: float) -> Wanted:
    """Draw the relation of the two lengths: alike, or one longer than the other with equal chances."""
    if rng.random() < matched:
        return alike
    longer = bool(rng.random() < 0.5)
    return lambda chosen, rejected: chosen > rejected if longer else chosen < rejected


def _draw(write: Callable[[Grade], str], better: Grade, worse: Grade, count: Count, wanted: Wanted) -> tuple[str, str]:
    """Draw the two answers until their lengths are as wanted; else take the nearest lengths that were drawn."""
    nearest: tuple[float, str, str] | None = None
    for _ in range(TRIES):
        chosen, rejected = write(better), write(worse)
        lengths = count(chosen), count(rejected)
        if wanted(*lengths) and chosen != rejected:
            return chosen, rejected
        apart = abs(lengths[0] - lengths[1]) / max(*lengths, 1)
        if nearest is None or apart < nearest[0]:
            nearest = apart, chosen, rejected
    assert nearest is not None, "TRIES is above 0"
    return nearest[1:]


def _answer(author: Author, rng: np.random.Generator, query: Query, split: Split, openers: float, grade: Grade) -> str:
    if grade is NOTHING:
        return _nothing(rng, query)
    text = answer_elsewhere(author, rng, query, split) if grade is ELSEWHERE else author.graded(rng, query, grade)
    return with_opener(text, grade, rng, openers)


def _nothing(rng: np.random.Generator, query: Query) -> str:
    """Write a text that answers no request: the request again, a promise, an opener, a repetition, or nothing."""
    promise = _PROMISES[int(rng.integers(len(_PROMISES)))]
    opener = OPENERS["promise"][int(rng.integers(len(OPENERS["promise"])))]
    way = int(rng.integers(6))
    repeated = " ".join([promise] * int(rng.integers(2, 7)))
    return ("", query.text, promise, opener, f"{opener} {query.text}", repeated)[way]
