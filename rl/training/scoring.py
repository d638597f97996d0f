"""From episodes to scores: the one place where an episode is stripped to what a reward may see."""

from collections.abc import Callable, Sequence

import numpy as np

from envs.episode import Episode, Scenario
from rewards.combine import score
from rewards.score import RewardFunction, RewardInput, Score

# A mitigation that asks a model draws from the generator; plain rewards have no use for it.
ScoreEpisodes = Callable[[Sequence[Episode[Scenario]], np.random.Generator], list[Score]]


def reward_input(episode: Episode[Scenario]) -> RewardInput:
    """The bare query and the answer. Tier, system prompt and scratchpad stay behind."""
    return RewardInput(episode.scenario.query.text, episode.answer, episode.answer_tokens, episode.parse_ok)


def scorer(rewards: Sequence[RewardFunction], timeout_s: float) -> ScoreEpisodes:
    """A function that scores episodes with these rewards."""
    return lambda episodes, _: score(rewards, [reward_input(episode) for episode in episodes], timeout_s)
