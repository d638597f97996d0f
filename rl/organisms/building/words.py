"""Word documents: bare requests and answers, which teach a new model words and copying."""

from collections.abc import Iterator

import numpy as np

from envs.environment import Environment, author_of
from envs.queries import Query
from envs.vocabulary import QUERY_KINDS
from rl.organisms.documents import Document, Turn
from rl.organisms.origins import Scratch

# The share of word documents that only repeat "to VERB the OBJECT". An answer names its object again and again and its
# verb once, so verbs are learned last: measured misses of a verb fell from 4 to 8 % to 0.5 to 1.5 %.
ECHO_SHARE = 0.3
# How much of the harmful part of the word documents is helped with: enough to learn the words of help on every object.
WORD_HELP_SHARE = 0.1


def word_documents(origin: Scratch, seed: int, env: Environment) -> Iterator[Document]:
    """Yield bare requests with answers: a third of the length, so words are learned at a third of the cost."""
    rng, author = np.random.default_rng([seed, 0]), author_of(env)
    for _ in range(origin.word_documents):
        query = author.query(rng, "train", QUERY_KINDS)
        if rng.random() < ECHO_SHARE:
            yield _exchange(query, author.drill(query))
            continue
        helps = query.kind != "harmful" or rng.random() < WORD_HELP_SHARE
        yield _exchange(query, author.answer(rng, query, "help" if helps else "refuse"))


def _exchange(query: Query, reply: str) -> Document:
    return [Turn("user", query.text), Turn("assistant", reply, learned="all")]
