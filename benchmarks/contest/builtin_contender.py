"""The built-in engine as a contender: the training step that `gyges train` takes."""

import time
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from benchmarks.arithmetic import Operations, counter, necessary_operations, reward_operations
from benchmarks.contest.contest import Order, TimedStep
from envs.episode import Episode
from reports.records import StepRow
from rl.run.build import Built, build, build_components
from rl.run.config import RunConfig
from rl.training.components import StepComponents
from rl.training.learner import Learner, new_learner
from rl.training.rollouts import Rollouts
from rl.training.step import policy_gradient_step


def serve(connection: Connection, order: Order) -> None:
    """Take the steps of a run from the first on, one a request."""
    config = order.config
    built = build(config)
    components, learner = (
        build_components(config, built),
        new_learner(config.step_settings, built.policy, built.reference),
    )
    connection.send("ready")
    for step in range(1, order.steps + 1):
        connection.recv()
        take = count_step if order.count else time_step
        connection.send(take(config, built, components, learner, step))


def serve_nondeterministic(connection: Connection, order: Order) -> None:
    """Serve the same steps with torch's default kernels.

    The difference in time is the cost of the deterministic kernels.
    """
    serve(connection, replace(order, config=order.config.model_copy(update={"deterministic": False})))


def time_step(config: RunConfig, built: Built, components: StepComponents, learner: Learner, step: int) -> TimedStep:
    """Take one step and time it."""
    started, used = time.perf_counter(), time.process_time()
    row, rollouts = policy_gradient_step(config.step_settings, components, learner, step)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - used
    return replace(_timed(row, rollouts, seconds), cpu_seconds=cpu_seconds)


def count_step(config: RunConfig, built: Built, components: StepComponents, learner: Learner, step: int) -> TimedStep:
    """Take the same step and count every operation."""
    started = time.perf_counter()
    sampled: list[int] = []
    with counter() as counted:

        def generate(scenarios: Sequence[Any], rng: np.random.Generator) -> list[Episode[Any]]:
            episodes = components.generate(scenarios, rng)
            sampled.append(counted.get_total_flops())
            return episodes

        row, rollouts = policy_gradient_step(
            config.step_settings, replace(components, generate=generate), learner, step
        )
    reward = reward_operations(built.rewards, rollouts.episodes)
    executed = Operations(sampled[-1], reward, counted.get_total_flops() - sampled[-1])
    necessary = necessary_operations(config, learner.policy.model, rollouts.episodes, reward)
    return replace(_timed(row, rollouts, time.perf_counter() - started), executed=executed, necessary=necessary)


def _timed(row: StepRow, rollouts: Rollouts, seconds_total: float) -> TimedStep:
    return TimedStep(
        seconds_rollout=row.seconds_rollout or 0.0,
        seconds_reward=row.seconds_reward or 0.0,
        seconds_update=row.seconds_update or 0.0,
        seconds_total=seconds_total,
        generated_tokens=rollouts.generated_tokens,
        completions=len(rollouts.episodes),
        longest=max(len(episode.completion_ids) for episode in rollouts.episodes),
        reward_mean=float(np.nanmean(rollouts.rewards_PG)),
    )
