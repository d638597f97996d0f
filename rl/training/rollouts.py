"""Rollouts of one step: scenarios, episodes, scores, and the rewards that the algorithm may use.

Dimension suffixes: P prompts of a step, G completions of a prompt.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from envs.episode import Episode, FreeScenario, require_free
from rewards.score import Score
from rl.algorithms.advantages import Array, group_advantages
from rl.errors import RunStopped
from rl.streams import Stage, stream
from rl.training.components import StepComponents
from rl.training.settings import StepSettings


@dataclass(frozen=True)
class Rollouts:
    """Training episodes, group by group, with their scores (one an episode, in order).

    `rewards_PG`: what the algorithm is given, NaN where an episode is unscored or screened out. `drawn_groups`,
    `generated_tokens` and `reward_error_rate` speak of all that was drawn, what dynamic sampling has dropped included.
    """

    episodes: list[Episode[FreeScenario]]
    scores: list[Score]
    rewards_PG: Array
    drawn_groups: int
    generated_tokens: int
    reward_error_rate: float
    seconds_rollout: float
    seconds_reward: float
    advantages: tuple[float, ...] = ()

    def with_advantages(self, advantages: Sequence[float]) -> "Rollouts":
        """Return the same rollouts with the advantage of each episode."""
        return replace(self, advantages=tuple(advantages))


def collect(settings: StepSettings, components: StepComponents, step: int) -> Rollouts:
    """Sample and score a step's completions.

    With dynamic sampling further prompts are drawn until `prompts_per_step` groups have variance (Yu et al. 2025,
    "DAPO", equation 11); what is missing after the last round is filled with groups that have none.

    Raises:
        RunStopped: if more episodes are unscored than `max_reward_error_rate` allows.
        ValueError: if an episode is not of the free tier.
    """
    wanted = settings.algorithm.prompts_per_step
    scenarios, reward = (stream(settings.seed, step, stage) for stage in (Stage.scenarios, Stage.reward))
    streams = [scenarios, stream(settings.seed, step, Stage.rollout, other=settings.rollout_stream), reward]
    drawn = _draw(settings, components, step, streams)
    for _ in range(settings.algorithm.rounds - 1):
        if len(_with_variance(settings, drawn)) >= wanted:
            break
        drawn = _joined(drawn, _draw(settings, components, step, streams))
    carrying = _with_variance(settings, drawn)
    others = [group for group in range(drawn.drawn_groups) if group not in carrying]
    return _chosen(drawn, sorted((carrying + others)[:wanted]))


def _draw(
    settings: StepSettings, components: StepComponents, step: int, streams: Sequence[np.random.Generator]
) -> Rollouts:
    """Draw one round: `prompts_per_step` prompts, their completions and scores, each from a stream of its own."""
    scenario_rng, rollout_rng, reward_rng = streams
    clock = [time.perf_counter()]
    size = settings.algorithm.group_size
    scenarios = components.scenarios(scenario_rng, settings.algorithm.prompts_per_step)
    episodes = components.generate([scenario for scenario in scenarios for _ in range(size)], rollout_rng)
    require_free(episodes)
    clock.append(time.perf_counter())
    scores = components.reward(episodes, reward_rng)
    rewards_PG, error_rate = usable_rewards(settings, components, episodes, scores, step)
    clock.append(time.perf_counter())
    seconds_rollout, seconds_reward = np.diff(clock).tolist()
    tokens = sum(len(episode.completion_ids) for episode in episodes)
    return Rollouts(episodes, scores, rewards_PG, len(scenarios), tokens, error_rate, seconds_rollout, seconds_reward)


def usable_rewards(
    settings: StepSettings,
    components: StepComponents,
    episodes: Sequence[Episode[FreeScenario]],
    scores: Sequence[Score],
    step: int,
) -> tuple[Array, float]:
    """Return the rewards (P, G) of a step's whole groups, NaN where left out, and the error rate.

    Raises:
        RunStopped: if more episodes are unscored than `max_reward_error_rate` allows.
    """
    errors = [score.error for score in scores if score.total is None]
    if len(errors) > settings.max_reward_error_rate * len(scores):
        raise RunStopped(
            f"step {step}: {len(errors)} of {len(scores)} episodes are unscored, more than "
            f"max_reward_error_rate={settings.max_reward_error_rate:g} allows; the first reason: {errors[0]}"
        )
    kept = components.screen(episodes, scores)
    rewards = [
        score.total if score.total is not None and keep else math.nan for score, keep in zip(scores, kept, strict=True)
    ]
    rewards_PG = np.array(rewards, dtype=np.float64).reshape(-1, settings.algorithm.group_size)
    return rewards_PG, len(errors) / len(scores)


def _with_variance(settings: StepSettings, drawn: Rollouts) -> list[int]:
    """List the groups whose rewards differ; an empty list without dynamic sampling."""
    if settings.algorithm.rounds == 1:
        return []
    groups = group_advantages(drawn.rewards_PG, "none", settings.algorithm.min_group_std)
    return [int(group) for group in np.flatnonzero(~groups.degenerate_P & ~groups.left_out_P)]


def _joined(first: Rollouts, second: Rollouts) -> Rollouts:
    groups = first.drawn_groups + second.drawn_groups
    errors = first.reward_error_rate * first.drawn_groups + second.reward_error_rate * second.drawn_groups
    return Rollouts(
        first.episodes + second.episodes,
        first.scores + second.scores,
        np.concatenate([first.rewards_PG, second.rewards_PG]),
        groups,
        first.generated_tokens + second.generated_tokens,
        errors / groups,
        first.seconds_rollout + second.seconds_rollout,
        first.seconds_reward + second.seconds_reward,
    )


def _chosen(drawn: Rollouts, groups: Sequence[int]) -> Rollouts:
    size = drawn.rewards_PG.shape[1]
    rows = [group * size + i for group in groups for i in range(size)]
    return replace(
        drawn,
        episodes=[drawn.episodes[row] for row in rows],
        scores=[drawn.scores[row] for row in rows],
        rewards_PG=drawn.rewards_PG[list(groups)],
    )
