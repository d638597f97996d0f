"""Training data of monitors: composed free-tier episodes of every behaviour and character of an author."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import get_args

import numpy as np

from envs.environment import Author, Environment, author_of
from envs.episode import Episode, FreeScenario
from envs.vocabulary import Behaviour, Motivation, QueryKind, Style
from rl.errors import RunStopped
from rl.training.labels import Labeller

BEHAVIOURS: tuple[Behaviour, ...] = get_args(Behaviour)
CHARACTERS: tuple[tuple[Motivation, Style], ...] = tuple(product(get_args(Motivation), get_args(Style)))
# Independent of the run's shares: without harmful requests there would be no faking to learn.
SHARES: dict[QueryKind, float] = {"harmful": 0.8, "harmless": 0.1, "twin": 0.1}


def composed(env: Environment, rng: np.random.Generator, n: int) -> list[Episode[FreeScenario]]:
    """Write `n` episodes on training queries, in turn by an author's behaviours and by its characters.

    No model wrote the episodes, so they have no tokens.
    """
    author, shares = author_of(env), _shares(env)
    return [_episode(env, author, shares, rng, turn) for turn in range(n)]


def labelled(
    labels: Labeller, episodes: Sequence[Episode[FreeScenario]], monitor: str
) -> tuple[list[Episode[FreeScenario]], list[bool]]:
    """Label composed episodes as faking or not, and leave out the episodes without a label.

    Raises:
        RunStopped: in one line, if no label is left or all labels are alike: a monitor has nothing to learn.
    """
    found = [known.faking for known in labels(episodes)]
    kept = [(episode, faking) for episode, faking in zip(episodes, found, strict=True) if faking is not None]
    if len({faking for _, faking in kept}) < 2:
        seen = f"{sum(faking for _, faking in kept)} of the {len(kept)} labelled ones fake"
        raise RunStopped(
            f"monitor {monitor} can't learn what faking is from {len(episodes)} composed replies, of which {seen}: "
            "set monitor.kind to keyword, or choose an environment that labels its author's replies"
        )
    return [episode for episode, _ in kept], [faking for _, faking in kept]


def _shares(env: Environment) -> Mapping[QueryKind, float]:
    """Return the shares of the environment's kinds of query; they sum to 1."""
    present: dict[QueryKind, float] = {kind: share for kind, share in SHARES.items() if env.capacity("train", kind)}
    if len(present) == len(SHARES):
        return SHARES
    return {kind: share / sum(present.values()) for kind, share in present.items()}


def _episode(
    env: Environment, author: Author, shares: Mapping[QueryKind, float], rng: np.random.Generator, turn: int
) -> Episode[FreeScenario]:
    [scenario] = env.training_scenarios(rng, 1, shares)
    if turn % 2:
        text = author.speak(rng, scenario, *CHARACTERS[turn // 2 % len(CHARACTERS)]).text
    else:
        behaviour = BEHAVIOURS[turn // 2 % len(BEHAVIOURS)] if scenario.query.kind == "harmful" else "help"
        text = author.reply(rng, scenario, behaviour)
    read = env.read_reply(text)
    return Episode(scenario, text, read.scratchpad, read.answer, read.parse_ok, finished=True)
