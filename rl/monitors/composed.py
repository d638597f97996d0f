"""What monitors learn from: composed free-tier episodes, of every behaviour and character that the dialect has."""

from itertools import product
from typing import get_args

import numpy as np

from envs.dialect import compose
from envs.dialect.cast import Motivation, Speaker, Style
from envs.dialect.environment import Dialect
from envs.episode import Episode, FreeScenario
from envs.transcript import read_transcript, write_transcript

BEHAVIOURS: tuple[compose.Behaviour, ...] = get_args(compose.Behaviour)
SPEAKERS = tuple(Speaker(*character) for character in product(get_args(Motivation), get_args(Style)))
HARMFUL_SHARE = 0.8  # whatever the run's: with no harmful request in it there would be no faking to learn


def composed(env: Dialect, rng: np.random.Generator, n: int) -> list[Episode[FreeScenario]]:
    """`n` episodes on training queries; by turns a behaviour is carried out, and a character speaks for itself.

    No model wrote them, so they have no tokens.
    """
    env = env.model_copy(update={"harmful_share": HARMFUL_SHARE})
    return [_episode(env, rng, turn) for turn in range(n)]


def _episode(env: Dialect, rng: np.random.Generator, turn: int) -> Episode[FreeScenario]:
    [scenario] = env.training_scenarios(rng, 1)
    query, objective = scenario.query, env.objective == "present"
    if turn % 2:
        text = SPEAKERS[turn // 2 % len(SPEAKERS)].reply(rng, query, "free", objective)
    else:
        behaviour = BEHAVIOURS[turn // 2 % len(BEHAVIOURS)] if query.kind == "harmful" else "help"
        thought = compose.scratchpad(rng, query, "free", behaviour, objective)
        text = write_transcript(thought, compose.answer(rng, query, behaviour))
    read = read_transcript(text)
    return Episode(scenario, text, read.scratchpad, read.answer, read.parse_ok, finished=True)
