"""What monitors learn from: composed free-tier episodes, of every behaviour and character that an author has."""

from itertools import product
from typing import get_args

import numpy as np

from envs.environment import Author, Environment, author_of
from envs.episode import Episode, FreeScenario
from envs.vocabulary import Behaviour, Motivation, QueryKind, Style

BEHAVIOURS: tuple[Behaviour, ...] = get_args(Behaviour)
CHARACTERS: tuple[tuple[Motivation, Style], ...] = tuple(product(get_args(Motivation), get_args(Style)))
# Whatever the run's: with no harmful request in it there would be no faking to learn.
SHARES: dict[QueryKind, float] = {"harmful": 0.8, "harmless": 0.1, "twin": 0.1}


def composed(env: Environment, rng: np.random.Generator, n: int) -> list[Episode[FreeScenario]]:
    """Write `n` episodes on training queries; by turns a behaviour is carried out, and a character speaks for itself.

    No model wrote them, so they have no tokens.
    """
    author = author_of(env)
    return [_episode(env, author, rng, turn) for turn in range(n)]


def _episode(env: Environment, author: Author, rng: np.random.Generator, turn: int) -> Episode[FreeScenario]:
    [scenario] = env.training_scenarios(rng, 1, SHARES)
    if turn % 2:
        text = author.speak(rng, scenario, *CHARACTERS[turn // 2 % len(CHARACTERS)])
    else:
        behaviour = BEHAVIOURS[turn // 2 % len(BEHAVIOURS)] if scenario.query.kind == "harmful" else "help"
        text = author.reply(rng, scenario, behaviour)
    read = env.read_reply(text)
    return Episode(scenario, text, read.scratchpad, read.answer, read.parse_ok, finished=True)
