"""Stock TRL: `GRPOTrainer` on a recipe's organism, prompts, rewards and numbers, as a user would write it.

The step uses nothing of the built-in engine but the reward: TRL loads the model, samples, and takes its own reference
and optimiser. Settings that the recipe leaves open have TRL's defaults, with two exceptions. Activation checkpointing,
which would slow TRL down, is off, and bfloat16 is on where the recipe's own precision is bfloat16.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback
from trl import GRPOConfig, GRPOTrainer

from envs.episode import Episode, FreeScenario
from rl.algorithms.grpo import GRPO
from rl.algorithms.preference import even_microbatch
from rl.organisms.building.precision import precision_here
from rl.policy.policy import Policy, end_ids
from rl.policy.sampler import read_episode
from rl.run.build import build_organism, build_rewards
from rl.run.compatibility import require_engine
from rl.run.config import RunConfig
from rl.streams import Stage, stream
from rl.training.scoring import scorer


class Task:
    """A task for TRL: the prompts that the built-in engine draws at each step, and the rewards."""

    policy: Policy  # reads TRL's replies; `stock_trainer` sets it once TRL has loaded the model

    def __init__(self, config: RunConfig, steps: int) -> None:
        self.rewards, _ = build_rewards(config.rewards, config.env)
        self.score = scorer(self.rewards, config.reward_timeout_s)
        self.scenarios: list[FreeScenario] = []
        for step in range(1, steps + 1):
            rng = stream(config.seed, step, Stage.scenarios)
            self.scenarios += config.env.training_scenarios(rng, config.algorithm.prompts_per_step)

    def dataset(self) -> Dataset:
        """Build a dataset with a row a prompt, in the order in which the steps use them."""
        return Dataset.from_list([{"prompt": s.messages, "scenario": i} for i, s in enumerate(self.scenarios)])

    def read(self, completion_ids: Sequence[Sequence[int]], scenario: Sequence[int]) -> list[Episode[FreeScenario]]:
        """Read TRL's replies as episodes."""
        ends = set(self.policy.end_ids)
        return [
            read_episode(self.policy, self.scenarios[index], np.array(ids, np.int64), ids[-1] in ends)
            for ids, index in zip(completion_ids, scenario, strict=True)
        ]

    def totals(self, episodes: Sequence[Episode[FreeScenario]]) -> list[float | None]:
        """Sum the recipe's rewards of each episode."""
        return [score.total for score in self.score(episodes, np.random.default_rng())]

    def reward(self, completion_ids: Sequence[Sequence[int]], scenario: Sequence[int], **_: Any) -> list[float | None]:
        """Score TRL's replies: TRL's reward function."""
        return self.totals(self.read(completion_ids, scenario))


def stock_trainer(
    config: RunConfig,
    steps: int,
    task: Task,
    out: Path,
    microbatch: int | None = None,
    reward: Callable[..., list[float | None]] | None = None,
    callbacks: Sequence[TrainerCallback] = (),
) -> Any:
    """Build a trainer that is about to take the first of `steps` steps from the organism on.

    `reward` replaces the task's reward function.
    """
    trainer = GRPOTrainer(
        model=str(build_organism(config)),
        reward_funcs=reward or task.reward,
        args=GRPOConfig(output_dir=str(out), **settings(config, steps, microbatch)),
        train_dataset=task.dataset(),
        callbacks=list(callbacks),
    )
    trainer.remove_callback(PrinterCallback)
    model, tokenizer = trainer.model, trainer.processing_class
    task.policy = Policy(model, tokenizer, end_ids(model, tokenizer))
    return trainer


def settings(config: RunConfig, steps: int, microbatch: int | None = None) -> dict[str, Any]:
    """Translate the recipe into TRL's settings.

    Raises:
        ValueError: for a recipe that stock GRPOTrainer can't take.
    """
    algorithm = config.algorithm
    if not isinstance(algorithm, GRPO) or config.lora is not None or config.mitigations:
        raise ValueError(
            "stock TRL is measured on plain GRPO: leave algorithm.kind at grpo, lora at null and mitigations empty, or "
            "measure the built-in engine alone (step_time.py --contenders gyges, sweep_throughput.py --no-trl)"
        )
    require_engine(config.model_copy(update={"engine": "trl", "precision": "float32"}))
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
        "bf16": precision_here(config.precision) == "bfloat16",
        "activation_checkpointing": False,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }
