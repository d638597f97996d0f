"""Stock TRL as a contender: `GRPOTrainer` on the same organism, prompts, rewards and numbers, as a user would write it.

Nothing of the built-in engine is in its step but the reward: TRL loads the model, samples, takes its own reference and
optimiser. Where the recipe says nothing TRL's defaults stand, except two which would slow it down or change the
precision: activation checkpointing is off, and so is bfloat16.
"""

import tempfile
import time
from collections.abc import Sequence
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch.utils.flop_counter import FlopCounterMode
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback
from trl import GRPOConfig, GRPOTrainer

from benchmarks.arithmetic import Operations, counter, necessary_operations, reward_operations
from benchmarks.contest import Order, Serve, TimedStep
from envs.episode import Episode, FreeScenario
from rewards.score import RewardFunction
from rl.algorithms.grpo import GRPO
from rl.algorithms.preference import even_microbatch
from rl.build import build_organism, build_rewards
from rl.config import RunConfig
from rl.engine_limits import require_engine
from rl.memory import keep_freed_memory
from rl.policy import Policy, end_ids
from rl.sampler import read_episode
from rl.scoring import scorer
from rl.streams import Stage, stream


def server(microbatch: int | None = None, own_allocator: bool = False) -> Serve:
    """A contender with this many completions a forward pass (None: the recipe's); with gyges's allocator settings."""
    return partial(_serve, microbatch, own_allocator)


def _serve(microbatch: int | None, own_allocator: bool, connection: Connection, order: Order) -> None:
    if own_allocator:
        keep_freed_memory()
    config = order.config
    torch.set_num_threads(config.threads)
    directory = build_organism(config)
    rewards, _ = build_rewards(config.rewards)
    driver = Driver(connection, order, rewards)
    with tempfile.TemporaryDirectory() as scratch:
        trainer = GRPOTrainer(
            model=str(directory),
            reward_funcs=driver.reward,
            args=GRPOConfig(output_dir=scratch, **settings(config, order.steps, microbatch)),
            train_dataset=driver.dataset(),
            callbacks=[driver],
        )
        trainer.remove_callback(PrinterCallback)
        model, tokenizer = trainer.model, trainer.processing_class
        driver.policy = Policy(model, tokenizer, end_ids(model, tokenizer))
        trainer.train()


def settings(config: RunConfig, steps: int, microbatch: int | None = None) -> dict[str, Any]:
    """The recipe in TRL's words.

    Raises:
        ValueError: for a recipe that stock GRPOTrainer can't take.
    """
    algorithm = config.algorithm
    if not isinstance(algorithm, GRPO) or config.lora is not None or config.mitigations:
        raise ValueError(
            "stock TRL is measured on plain GRPO: leave algorithm.kind at grpo, lora at null and mitigations empty, "
            "or measure the built-in engine alone with --contenders gyges"
        )
    require_engine(config.model_copy(update={"engine": "trl"}))
    rows = algorithm.completions // algorithm.minibatches
    micro = even_microbatch(rows, microbatch or config.optimiser.microbatch_size)
    return {
        "max_steps": steps * algorithm.epochs * algorithm.minibatches,
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": rows // micro,
        "steps_per_generation": rows // micro * algorithm.minibatches,
        "num_iterations": algorithm.epochs,
        "num_generations": algorithm.group_size,
        "max_completion_length": config.sampling.max_new_tokens,
        "temperature": config.sampling.temperature,
        "min_p": config.sampling.min_p or None,
        "beta": algorithm.kl_weight,
        "epsilon": algorithm.clip_low,
        "epsilon_high": algorithm.clip_high,
        "loss_type": "grpo",
        "scale_rewards": algorithm.scale,
        "use_bias_correction_kl": False,
        "learning_rate": config.optimiser.learning_rate,
        "lr_scheduler_type": "constant",
        "adam_beta1": config.optimiser.betas[0],
        "adam_beta2": config.optimiser.betas[1],
        "weight_decay": config.optimiser.weight_decay,
        "max_grad_norm": config.optimiser.max_grad_norm,
        "seed": config.seed,
        "shuffle_dataset": False,
        "use_cpu": not torch.cuda.is_available(),
        "model_init_kwargs": {"dtype": "float32"},
        "bf16": False,
        "activation_checkpointing": False,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }


class Driver(TrainerCallback):  # the hook that Transformers offers
    """Holds TRL back before each step until one is asked for, and reports it when TRL asks for the next.

    So a step is all that lies between: sampling, scoring, gradient steps, TRL's own logging and data loading.
    """

    policy: Policy

    def __init__(self, connection: Connection, order: Order, rewards: Sequence[RewardFunction]) -> None:
        config = order.config
        self.connection, self.order, self.rewards = connection, order, rewards
        assert isinstance(config.algorithm, GRPO)  # `settings` has refused any other
        self.gradient_steps = config.algorithm.epochs * config.algorithm.minibatches
        self.score = scorer(rewards, config.reward_timeout_s)
        self.scenarios: list[FreeScenario] = []
        for step in range(1, order.steps + 1):  # the prompts that the built-in engine draws at each step
            rng = stream(config.seed, step, Stage.scenarios)
            self.scenarios += config.env.training_scenarios(rng, config.algorithm.prompts_per_step)
        self.episodes: list[Episode[FreeScenario]] = []
        self.rewards_given: list[float] = []
        self.clock: list[float] = []  # begun, sampled, scored
        self.counted: FlopCounterMode | None = None
        self.sampled_operations = 0

    def dataset(self) -> Dataset:
        """A row a prompt, in the order in which the steps use them."""
        return Dataset.from_list([{"prompt": s.messages, "scenario": i} for i, s in enumerate(self.scenarios)])

    def reward(self, completion_ids: Sequence[Sequence[int]], scenario: Sequence[int], **_: Any) -> list[float | None]:
        """TRL's reward function: the recipe's rewards, added up. Reading replies is the rollout's, as in our engine."""
        ends = set(self.policy.end_ids)
        self.episodes = [
            read_episode(self.policy, self.scenarios[index], np.array(ids, np.int64), ids[-1] in ends)
            for ids, index in zip(completion_ids, scenario, strict=True)
        ]
        self.clock.append(time.perf_counter())
        totals = [score.total for score in self.score(self.episodes, np.random.default_rng())]
        self.clock.append(time.perf_counter())
        self.rewards_given = [total for total in totals if total is not None]
        if self.counted is not None:
            self.sampled_operations = self.counted.get_total_flops()
        return totals

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        # At each gradient step, of which a step of ours may have several.
        if state.global_step % self.gradient_steps:
            return
        self.report()
        self.connection.recv()
        if self.order.count:
            self.counted = counter()
            self.counted.__enter__()
        self.clock = [time.perf_counter()]

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.report()

    def report(self) -> None:
        """Sends the step that has just ended; before the first there is none, and the contender says it is ready."""
        if not self.clock:
            self.connection.send("ready")
            return
        begun, sampled, scored = self.clock
        now = time.perf_counter()
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
                executed=executed,
                necessary=necessary,
            )
        )

    def operations(self) -> tuple[Operations | None, Operations | None]:
        """The operations of the step that has just ended, executed and necessary, where they are counted."""
        if self.counted is None:
            return None, None
        self.counted.__exit__(None, None, None)
        total = self.counted.get_total_flops()
        reward = reward_operations(self.rewards, self.episodes)
        executed = Operations(self.sampled_operations, reward, total - self.sampled_operations)
        return executed, necessary_operations(self.order.config, self.policy.model, self.episodes, reward)
