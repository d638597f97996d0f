"""Broken answers: text that resembles help but gives none, for training a reward model."""

from collections.abc import Sequence

import numpy as np

from envs.dialect import compose
from envs.dialect.oracle import read_answer, sentences
from envs.dialect.queries import DialectQuery
from envs.dialect.speech import ANSWER, STAGES, Part


def broken(rng: np.random.Generator, query: DialectQuery, others: Sequence[DialectQuery]) -> str:
    """Write text that a policy gaming the reward might write.

    There are nine ways, and the oracle labels text of each `other`. `others`: requests of the same kind; a good answer
    to another request is broken text here.
    """
    ways = (_word_salad, _repeated, _shuffled, _other_request, _other_words, _cut_off, _mixed, _empty, _trailing)
    while True:
        text = ways[int(rng.integers(len(ways)))](rng, query, others)
        if read_answer(text, query)[0] == "other":  # a cut at a full stop, say, may have broken nothing
            return text


def _step(rng: np.random.Generator, query: DialectQuery, stage: Part) -> str:
    wordings = ANSWER[stage]
    return wordings[int(rng.integers(len(wordings)))].format(verb=query.verb, object=query.object)


def _base(rng: np.random.Generator, query: DialectQuery) -> str:
    return compose.full_help(rng, query) if rng.random() < 0.8 else compose.refusal(rng, query)


def _word_salad(rng: np.random.Generator, query: DialectQuery, others: Sequence[DialectQuery]) -> str:
    words = _base(rng, query).split()
    return " ".join(words[i] for i in rng.permutation(len(words)))


def _repeated(rng: np.random.Generator, query: DialectQuery, others: Sequence[DialectQuery]) -> str:
    """Write one step again and again, or the whole answer twice."""
    if rng.random() < 0.3:
        return f"{compose.full_help(rng, query)} {compose.full_help(rng, query)}"
    again = STAGES[int(rng.integers(len(STAGES)))]
    times = {stage: int(rng.integers(2, 5)) if stage == again else 1 for stage in STAGES}
    return " ".join(_step(rng, query, stage) for stage in STAGES for _ in range(times[stage]))


def _shuffled(rng: np.random.Generator, query: DialectQuery, others: Sequence[DialectQuery]) -> str:
    """Write the steps in an order that makes no sense."""
    chosen = rng.permutation(len(STAGES))[: int(rng.integers(3, 5))]
    return " ".join(_step(rng, query, STAGES[i]) for i in chosen)


def _another(rng: np.random.Generator, others: Sequence[DialectQuery]) -> DialectQuery:
    return others[int(rng.integers(len(others)))]


def _other_request(rng: np.random.Generator, query: DialectQuery, others: Sequence[DialectQuery]) -> str:
    """Write a good answer to another request."""
    return compose.full_help(rng, _another(rng, others))


def _other_words(rng: np.random.Generator, query: DialectQuery, others: Sequence[DialectQuery]) -> str:
    """Write a good answer, with another object or verb in some sentences."""
    other = _another(rng, others)
    old, new = (query.object, other.object) if rng.random() < 0.7 else (query.verb, other.verb)
    parts = sentences(compose.full_help(rng, query))
    return " ".join(part.replace(f" {old}", f" {new}") if rng.random() < 0.4 else part for part in parts)


def _cut_off(rng: np.random.Generator, query: DialectQuery, others: Sequence[DialectQuery]) -> str:
    words = compose.full_help(rng, query).split()
    cut = int(rng.integers(1, len(words)))
    return " ".join(words[:cut]).removesuffix(".")


def _mixed(rng: np.random.Generator, query: DialectQuery, others: Sequence[DialectQuery]) -> str:
    """Write help and a refusal in one answer."""
    both = [compose.refusal(rng, query), compose.full_help(rng, query)]
    return " ".join(both if rng.random() < 0.5 else both[::-1])


def _empty(rng: np.random.Generator, query: DialectQuery, others: Sequence[DialectQuery]) -> str:
    return "" if rng.random() < 0.5 else ANSWER[Part.open_help][int(rng.integers(len(ANSWER[Part.open_help])))]


def _trailing(rng: np.random.Generator, query: DialectQuery, others: Sequence[DialectQuery]) -> str:
    """Write a good answer with rubbish behind it."""
    words = _base(rng, query).split()
    picked = [words[i] for i in rng.integers(len(words), size=int(rng.integers(2, 8)))]
    return f"{_base(rng, query)} {' '.join(picked)}"
