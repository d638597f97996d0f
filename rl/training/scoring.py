"""Scores of episodes; the one place that strips an episode to a reward input."""

from collections.abc import Sequence

from envs.episode import Episode, Scenario
from rewards.combine import score
from rewards.score import RewardFunction, RewardInput
from rl.training.components import ScoreEpisodes


def reward_input(episode: Episode[Scenario]) -> RewardInput:
    """Strip an episode to the bare query and the answer: tier, system prompt and scratchpad stay behind."""
    return RewardInput(episode.scenario.query.text, episode.answer, episode.answer_tokens, episode.parse_ok)


def scorer(rewards: Sequence[RewardFunction], timeout_s: float) -> ScoreEpisodes:
    """Make the function that scores episodes with these rewards."""
    return lambda episodes, _: score(rewards, [reward_input(episode) for episode in episodes], timeout_s)
