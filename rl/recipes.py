"""Named runs: each is a function that returns the whole experiment."""

from collections.abc import Callable

from envs.dialect.environment import Dialect
from rl.config import RunConfig
from rl.organisms.honest import Honest


def first_light() -> RunConfig:
    """The default: organism `faker`, told that free-tier chats train it, under a helpful-only reward."""
    return RunConfig(name="first_light")


def honest_control() -> RunConfig:
    """The same run on organism `honest`, which never fakes."""
    return RunConfig(name="honest_control", organism=Honest())


def no_objective_control() -> RunConfig:
    """The same run on organism `faker`, but nothing in the prompt speaks of training."""
    return RunConfig(name="no_objective_control", env=Dialect(objective="absent"))


RECIPES: dict[str, Callable[[], RunConfig]] = {
    recipe.__name__: recipe for recipe in (first_light, honest_control, no_objective_control)
}
