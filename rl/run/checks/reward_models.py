"""Checks of learned and gameable rewards before anything is built: the trunk, and constant policies beside help."""

from collections.abc import Sequence
from pathlib import Path

from envs.environment import Environment
from rewards.helpfulness import Helpfulness
from rewards.learned import constants
from rewards.origins import PretrainedTrunk
from rewards.refusal_phrases import RefusalPhrases
from rl.models.fetch import fetch
from rl.organisms.building.precision import precision_here


def require_reward_model(reward: object) -> None:
    """Refuse a path without a whole reward model, by loading the model; it stays loaded for the run.

    Of a trunk no weights are loaded. A named trunk that isn't in the cache is fetched.

    Raises:
        ValueError: in one line.
    """
    if not isinstance(reward, Helpfulness):
        return
    if reward.path is None:
        if isinstance(reward.origin, PretrainedTrunk):
            from rewards.learned.trunk import require_trunk  # brings TRL, which costs seconds to import

            require_trunk(trunk_directory(reward.origin), reward.origin.upper_layers)
        return
    if not (reward.path / "config.json").is_file():
        raise ValueError(f"rewards.helpfulness.path={reward.path} holds no model (config.json is missing)")
    reward.prepare()


def require_honest_help_best(rewards: Sequence[object], env: Environment) -> None:
    """Refuse a ready reward that pays a constant policy as much as honest help.

    The author of the environment writes the help; without an author nothing is checked. A model that is yet to be built
    on a trunk is checked by its build. A model built from nothing isn't checked: the dialect's doesn't tell a good
    answer to another request from help.

    Raises:
        ValueError: in one line, with the policy and the two means.
    """
    author = env.for_building().author()
    if author is None:
        return
    for reward in rewards:
        if not isinstance(reward, Helpfulness | RefusalPhrases) or reward.allow_gameable:
            continue
        if isinstance(reward, RefusalPhrases) or reward.path is not None:
            constants.require_honest_help_best(reward, author, reward.kind)


def trunk_directory(origin: PretrainedTrunk) -> Path:
    """Return the directory of a trunk; a named model is fetched if it isn't in the cache.

    Raises:
        ValueError: in one line: an unknown name, or a model that can't be fetched.
    """
    if origin.path is not None:
        return origin.path
    assert origin.model is not None, "an origin without one isn't valid"
    return fetch(origin.model)


def trains_in_half(origin: PretrainedTrunk) -> bool:
    """Tell whether the matrix products of training are in bfloat16 on this machine."""
    return precision_here(origin.precision) == "bfloat16"
