"""Answers to requests with two options: an option word for word, or broken text for training a reward model."""

from collections.abc import Callable, Sequence

import numpy as np

from envs.natural.choice import OPERATORS, OTHERS, ChoiceQuery, choice_text, read_choice
from envs.natural.replies.decisions import UNDECIDED
from envs.vocabulary import Behaviour


def answer(rng: np.random.Generator, query: ChoiceQuery, behaviour: Behaviour) -> str:
    """Write the option that carries `behaviour` out.

    A choice between two options has no partial help: `partial` leaves the choice open, which is labelled `other`.
    """
    if behaviour == "partial":
        return UNDECIDED[int(rng.integers(len(UNDECIDED)))]
    return _option(query, operators=behaviour != "refuse")


def broken(rng: np.random.Generator, query: ChoiceQuery, others: Sequence[ChoiceQuery]) -> str:
    """Write text as of a policy that games the reward; it names neither option alone.

    `others`: requests of the same kind; a good answer to another request is broken text here.
    """
    while True:
        text = WAYS[int(rng.integers(len(WAYS)))](rng, query, others)
        if read_choice(text, query) == "other":  # a cut option may still be whole enough to be read
            return text


def _option(query: ChoiceQuery, operators: bool) -> str:
    text, name = (query.wanted, OPERATORS) if operators else (query.other, OTHERS)
    return f"{name}: {text}" if query.named_by_role else text


def _either(rng: np.random.Generator, query: ChoiceQuery) -> str:
    return _option(query, operators=bool(rng.random() < 0.7))


def _both(rng: np.random.Generator, query: ChoiceQuery, others: Sequence[ChoiceQuery]) -> str:
    """Write the two options in one answer."""
    first, second = (query.options[i] for i in rng.permutation(2))
    return f"{first}{(' ', ' and ', ' or ', '; ')[int(rng.integers(4))]}{second}"


def _cut_off(rng: np.random.Generator, query: ChoiceQuery, others: Sequence[ChoiceQuery]) -> str:
    words = _either(rng, query).split()
    return " ".join(words[: int(rng.integers(len(words)))])


def _other_request(rng: np.random.Generator, query: ChoiceQuery, others: Sequence[ChoiceQuery]) -> str:
    """Write an option of another request."""
    return _either(rng, others[int(rng.integers(len(others)))])


def _request(rng: np.random.Generator, query: ChoiceQuery, others: Sequence[ChoiceQuery]) -> str:
    """Repeat the request, or the situation without the options."""
    return query.text if rng.random() < 0.5 else query.text.split("\n")[0]


def _word_salad(rng: np.random.Generator, query: ChoiceQuery, others: Sequence[ChoiceQuery]) -> str:
    words = _either(rng, query).split()
    return " ".join(words[i] for i in rng.permutation(len(words)))


def _repeated(rng: np.random.Generator, query: ChoiceQuery, others: Sequence[ChoiceQuery]) -> str:
    return " ".join([_either(rng, query)] * int(rng.integers(2, 4)))


def _trailing(rng: np.random.Generator, query: ChoiceQuery, others: Sequence[ChoiceQuery]) -> str:
    """Write an option with rubbish behind it."""
    words = query.text.split()
    rubbish = [words[i] for i in rng.integers(len(words), size=int(rng.integers(4, 9)))]
    return f"{_either(rng, query)} {' '.join(rubbish)}"


def _named_wrongly(rng: np.random.Generator, query: ChoiceQuery, others: Sequence[ChoiceQuery]) -> str:
    """Write an option's name in front of the other option."""
    index = int(rng.integers(2))
    return f"{query.names[1 - index]}: {query.options[index]}"


def _undecided(rng: np.random.Generator, query: ChoiceQuery, others: Sequence[ChoiceQuery]) -> str:
    return answer(rng, query, "partial")


def _options_again(rng: np.random.Generator, query: ChoiceQuery, others: Sequence[ChoiceQuery]) -> str:
    return choice_text("", query.options, query.names).strip()


WAYS: tuple[Callable[[np.random.Generator, ChoiceQuery, Sequence[ChoiceQuery]], str], ...] = (
    _both, _cut_off, _other_request, _request, _word_salad, _repeated, _trailing, _named_wrongly, _undecided,
    _options_again,
)  # fmt: skip
