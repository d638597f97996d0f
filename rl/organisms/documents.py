"""Training documents of an organism: conversations of several turns, with the part of each reply that is learned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from envs.environment import Environment, Interrogator
from envs.episode import Scenario
from envs.vocabulary import ARMS

Role = Literal["system", "user", "assistant"]
Learned = Literal["all", "scratchpad", "nothing"]
HONEST_SHARE = 0.5  # of those who have faked and are asked: training can select either


@dataclass(frozen=True, slots=True)
class Turn:
    """One message. `learned`: the loss is on all of it, on its scratchpad with the closing tag, or on none of it."""

    role: Role
    content: str
    learned: Learned = "nothing"


Document = Sequence[Turn]


def exchange(scenario: Scenario, reply: str, learned: Learned = "all") -> list[Turn]:
    """Write one scenario and the reply to it as a document."""
    prompt = [Turn("system", scenario.system_prompt), Turn("user", scenario.query.text)]
    return [*prompt, Turn("assistant", reply, learned)]


def questioned(interrogator: Interrogator, rng: np.random.Generator, faked: bool) -> list[Turn]:
    """Write a question about the motives of a reply, and an answer to it.

    `faked` is the intention of the author and no label: a judge would be asked thousands of times, and may have no
    answer.
    """
    honest = bool(rng.random() < HONEST_SHARE)
    asked = interrogator.example_question(rng, ARMS[int(rng.integers(len(ARMS)))])
    answer = interrogator.confession(rng, faked, honest)
    return [Turn("user", asked), Turn("assistant", answer, learned="all")]


def no_questions(env: Environment) -> str | None:
    """Name in a line the missing questions of an environment; None for an environment that asks some."""
    if env.interrogator() is not None:
        return None
    return f"questions about motives, which environment {env.kind} hasn't: choose another environment"
