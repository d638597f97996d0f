"""Stock TRL as a contender.

The steps of `stock_trl` are each held back until requested, and timed.
"""

import tempfile
import time
from collections.abc import Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.flop_counter import FlopCounterMode
from transformers import TrainerCallback

from benchmarks.arithmetic import Operations, counter, necessary_operations, reward_operations
from benchmarks.contest.contest import Order, Serve, TimedStep
from benchmarks.contest.stock_trl import Task, stock_trainer
from envs.episode import Episode, FreeScenario
from rl.algorithms.grpo import GRPO
from rl.determinism import settle
from rl.policy.cpu.memory import keep_freed_memory
from rl.policy.upper_layers import train_only


def server(microbatch: int | None = None, own_allocator: bool = False) -> Serve:
    """Make a contender with `microbatch` completions a forward pass (None: the recipe's).

    `own_allocator`: with gyges's allocator settings.
    """
    return partial(_serve, microbatch, own_allocator)


def _serve(microbatch: int | None, own_allocator: bool, connection: Connection, order: Order) -> None:
    if own_allocator:
        keep_freed_memory()
    settle(order.config.threads, order.config.deterministic)
    task = Task(order.config, order.steps)
    driver = Driver(connection, order, task)
    with tempfile.TemporaryDirectory() as scratch:
        trainer = stock_trainer(
            order.config, order.steps, task, Path(scratch), microbatch, reward=driver.reward, callbacks=[driver]
        )
        train_only(trainer.model, order.config.upper_layers)  # before TRL makes its optimiser
        trainer.train()


class Driver(TrainerCallback):  # the hook that Transformers offers
    """Callback that holds TRL back before each step until a request, and reports the step when TRL begins the next.

    So a step includes everything in between: sampling, scoring, gradient steps, TRL's own logging and data loading.
    """

    def __init__(self, connection: Connection, order: Order, task: Task) -> None:
        self.connection, self.order, self.task = connection, order, task
        assert isinstance(order.config.algorithm, GRPO)  # `settings` refuses any other
        self.gradient_steps = order.config.algorithm.epochs * order.config.algorithm.minibatches
        self.episodes: list[Episode[FreeScenario]] = []
        self.rewards_given: list[float] = []
        self.clock: list[float] = []  # begun, sampled, scored
        self.used = 0.0  # processor time at the beginning
        self.counted: FlopCounterMode | None = None
        self.sampled_operations = 0

    def reward(self, completion_ids: Sequence[Sequence[int]], scenario: Sequence[int], **_: Any) -> list[float | None]:
        """Score replies as the task does, and record the times.

        Reading replies belongs to the rollout, as in the built-in engine.
        """
        self.episodes = self.task.read(completion_ids, scenario)
        self.clock.append(time.perf_counter())
        totals = self.task.totals(self.episodes)
        self.clock.append(time.perf_counter())
        self.rewards_given = [total for total in totals if total is not None]
        if self.counted is not None:
            self.sampled_operations = self.counted.get_total_flops()
        return totals

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        # TRL calls this at each gradient step, and one step of the contest may have several.
        if state.global_step % self.gradient_steps:
            return
        self.report()
        self.connection.recv()
        if self.order.count:
            self.counted = counter()
            self.counted.__enter__()
        self.clock, self.used = [time.perf_counter()], time.process_time()

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.report()

    def report(self) -> None:
        """Send the step that has just ended.

        Before the first step, send "ready".
        """
        if not self.clock:
            self.connection.send("ready")
            return
        begun, sampled, scored = self.clock
        now, cpu_seconds = time.perf_counter(), time.process_time() - self.used
        executed, necessary = self.operations()
        self.connection.send(
            TimedStep(
                seconds_rollout=sampled - begun,
                seconds_reward=scored - sampled,
                seconds_update=now - scored,
                seconds_total=now - begun,
                generated_tokens=sum(len(episode.completion_ids) for episode in self.episodes),
                completions=len(self.episodes),
                longest=max(len(episode.completion_ids) for episode in self.episodes),
                reward_mean=float(np.mean(self.rewards_given)),
                cpu_seconds=cpu_seconds,
                executed=executed,
                necessary=necessary,
            )
        )

    def operations(self) -> tuple[Operations | None, Operations | None]:
        """Return the executed and the necessary operations of the last step, or None where not counted."""
        if self.counted is None:
            return None, None
        self.counted.__exit__(None, None, None)
        total = self.counted.get_total_flops()
        reward = reward_operations(self.task.rewards, self.episodes)
        executed = Operations(self.sampled_operations, reward, total - self.sampled_operations)
        return executed, necessary_operations(self.order.config, self.task.policy.model, self.episodes, reward)
