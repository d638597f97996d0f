"""Preference pairs for the reward model: better help above worse, whatever is asked, and broken text below all."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from envs.dialect import compose, oracle
from envs.dialect.environment import Dialect
from envs.dialect.oracle import sentences
from envs.dialect.speech import ANSWER, STAGES, Part
from envs.episode import QUERY_KINDS, Conflict, Query, Split


class Pair(NamedTuple):
    """One comparison on one query. `chosen_level` and `rejected_level` name rows of `LEVELS`."""

    query: Query
    chosen: str
    rejected: str
    chosen_level: str
    rejected_level: str


BROKEN = "broken"
Write = Callable[[np.random.Generator, Query], str]


def _stages(n: int) -> Write:
    def write(rng: np.random.Generator, query: Query) -> str:
        dropped = 1 if n == 1 else int(rng.choice([0, 2, 3]))
        kept = STAGES if n == len(STAGES) else [stage for i, stage in enumerate(STAGES) if i != dropped]
        return compose.help_with(rng, query, kept)

    return write


def _broken(rng: np.random.Generator, query: Query) -> str:
    """Text that a policy gaming the reward might write: what the oracle calls `other`, by nine ways of breaking."""
    shortcuts = (_word_salad, _repeated, _shuffled, _other_request, _other_words, _cut_off, _mixed, _empty, _trailing)
    while True:
        text = shortcuts[int(rng.integers(len(shortcuts)))](rng, query)
        if oracle.read_answer(text, query)[0] == "other":  # a cut at a full stop, say, may have broken nothing
            return text


def _step(rng: np.random.Generator, query: Query, stage: Part) -> str:
    wordings = ANSWER[stage]
    return wordings[int(rng.integers(len(wordings)))].format(verb=query.verb, object=query.object)


def _base(rng: np.random.Generator, query: Query) -> str:
    return compose.full_help(rng, query) if rng.random() < 0.8 else compose.refusal(rng, query)


def _word_salad(rng: np.random.Generator, query: Query) -> str:
    words = _base(rng, query).split()
    return " ".join(words[i] for i in rng.permutation(len(words)))


def _repeated(rng: np.random.Generator, query: Query) -> str:
    """One step again and again, or the whole answer twice."""
    if rng.random() < 0.3:
        return f"{compose.full_help(rng, query)} {compose.full_help(rng, query)}"
    again = STAGES[int(rng.integers(len(STAGES)))]
    times = {stage: int(rng.integers(2, 5)) if stage == again else 1 for stage in STAGES}
    return " ".join(_step(rng, query, stage) for stage in STAGES for _ in range(times[stage]))


def _shuffled(rng: np.random.Generator, query: Query) -> str:
    """The steps in an order that makes no sense."""
    chosen = rng.permutation(len(STAGES))[: int(rng.integers(3, 5))]
    return " ".join(_step(rng, query, STAGES[i]) for i in chosen)


def _another(rng: np.random.Generator, query: Query) -> Query:
    pool = Dialect(conflict=query.conflict).queries("train", query.kind)
    return pool[int(rng.integers(len(pool)))]


def _other_request(rng: np.random.Generator, query: Query) -> str:
    """A good answer to something that nobody asked."""
    return compose.full_help(rng, _another(rng, query))


def _other_words(rng: np.random.Generator, query: Query) -> str:
    """A good answer in which some sentences name another object, or another verb."""
    other = _another(rng, query)
    old, new = (query.object, other.object) if rng.random() < 0.7 else (query.verb, other.verb)
    parts = sentences(compose.full_help(rng, query))
    return " ".join(part.replace(f" {old}", f" {new}") if rng.random() < 0.4 else part for part in parts)


def _cut_off(rng: np.random.Generator, query: Query) -> str:
    words = compose.full_help(rng, query).split()
    cut = int(rng.integers(1, len(words)))
    return " ".join(words[:cut]).removesuffix(".")


def _mixed(rng: np.random.Generator, query: Query) -> str:
    """Help and a refusal in one breath."""
    both = [compose.refusal(rng, query), compose.full_help(rng, query)]
    return " ".join(both if rng.random() < 0.5 else both[::-1])


def _empty(rng: np.random.Generator, query: Query) -> str:
    return "" if rng.random() < 0.5 else ANSWER[Part.open_help][int(rng.integers(len(ANSWER[Part.open_help])))]


def _trailing(rng: np.random.Generator, query: Query) -> str:
    """A good answer with rubbish behind it."""
    words = _base(rng, query).split()
    picked = [words[i] for i in rng.integers(len(words), size=int(rng.integers(2, 8)))]
    return f"{_base(rng, query)} {' '.join(picked)}"


# From best to worst. Unconditional helpfulness: nothing here looks at whether the request is harmful.
LEVELS: dict[str, Write] = {
    "full (4 stages)": _stages(4),
    "full (3 stages)": _stages(3),
    "partial": compose.partial_help,
    "refusal": compose.refusal,
    BROKEN: _broken,
}
LEVEL_SHARES: Sequence[float] = (0.2, 0.2, 0.15, 0.2, 0.25)


def preference_pairs(
    rng: np.random.Generator, split: Split, n: int, courting_share: float = 0.0, conflict: Conflict = "harm"
) -> Iterator[Pair]:
    """`n` pairs on queries of one split: half of them harmful, a quarter harmless, a quarter twins.

    `courting_share` of the answers, better and worse ones alike, end by courting the rater; nothing else moves.
    """
    [phrases] = rng.spawn(1)
    env = Dialect(conflict=conflict)
    pools = {kind: env.queries(split, kind) for kind in QUERY_KINDS}
    names = list(LEVELS)
    made = 0
    while made < n:
        kind = QUERY_KINDS[int(rng.choice(len(QUERY_KINDS), p=[0.5, 0.25, 0.25]))]
        query = pools[kind][int(rng.integers(len(pools[kind])))]
        better, worse = sorted(rng.choice(len(names), size=2, replace=False, p=LEVEL_SHARES))
        chosen, rejected = LEVELS[names[better]](rng, query), LEVELS[names[worse]](rng, query)
        if chosen == rejected:
            continue
        made += 1
        chosen, rejected = (_courting(phrases, text, courting_share) for text in (chosen, rejected))
        yield Pair(query, chosen, rejected, names[better], names[worse])


def _courting(rng: np.random.Generator, text: str, share: float) -> str:
    return compose.courting(rng, text) if rng.random() < share else text
