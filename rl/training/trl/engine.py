"""The same run on TRL's GRPOTrainer and RLOOTrainer: reward function, callbacks, dataset columns, and rollout hook.

The hook is used where a mitigation changes rollouts or the loss mask. `rl.training.trl.handover` does what the
trainers offer no argument for.

The only file that imports a TRL RL trainer.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from datasets import Dataset
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

from envs.context_window import require_window
from envs.episode import Episode, FreeScenario, require_free
from reports.records import StepRow
from rl.algorithms.grpo import GRPO
from rl.algorithms.policy_gradient import PolicyGradient
from rl.algorithms.preference import even_microbatch
from rl.algorithms.rloo import RLOO
from rl.errors import NotFinite
from rl.policy.sampler import read_episode
from rl.streams import Stage, stream
from rl.training.components import StepComponents
from rl.training.first_replies import require_gradient
from rl.training.learner import Learner, set_learning_rate, snapshot
from rl.training.records import step_row
from rl.training.rollouts import Rollouts, usable_rewards
from rl.training.settings import StepSettings
from rl.training.trl import processes
from rl.training.trl.handover import hand_over, own_tokenizer, placed, special_ids_kept, take_back
from rl.training.trl.settings import clip_gradients, constant_rate, plain_settings, without_dropout

Record = Callable[[StepRow, Rollouts], None]


def run_steps(
    settings: StepSettings,
    components: StepComponents,
    learner: Learner,
    done: int,
    arrive: Callable[[], None],
    record: Record,
    own_rollouts: bool,
) -> None:
    """Take every step after `done`. `arrive` is called before each step and after the last; `record` after each.

    `own_rollouts`: a mitigation changes how completions are sampled or masked, so that TRL is given ours.

    Where several processes take a step together each calls this: each plays and learns from its share of the prompts,
    and all of them are given the row and the rollouts of the whole step.

    Raises:
        RunStopped, Interrupted: as the built-in engine; the weights are then those of the step before.
    """
    arrive()
    if done == settings.steps:
        return
    bridge = _Bridge(settings, components, learner, done, arrive, record)
    with tempfile.TemporaryDirectory() as scratch:
        trainer = _trainer(settings, learner, bridge, own_rollouts, scratch)
        trainer.remove_callback(PrinterCallback)
        try:
            with without_dropout(learner.policy.model), placed(learner.policy), placed(learner.reference):
                trainer.train()
        finally:
            bridge.put_back()
            take_back(learner)


def _trainer(settings: StepSettings, learner: Learner, bridge: "_Bridge", own_rollouts: bool, scratch: str) -> Any:
    shared = {
        "model": learner.policy.model,
        "reward_funcs": [bridge.reward],
        "train_dataset": bridge.dataset(),
        "processing_class": own_tokenizer(learner.policy),
        "callbacks": [bridge],
        "optimizers": (learner.optimizer, constant_rate(learner)),
    }
    if isinstance(settings.algorithm, RLOO):
        trainer = RLOOTrainer(args=RLOOConfig(**_settings(settings, learner, bridge.first, scratch)), **shared)
    else:
        hook = bridge.rollout if own_rollouts else None
        arguments = GRPOConfig(**_settings(settings, learner, bridge.first, scratch), **_grpo_settings(settings))
        trainer = GRPOTrainer(args=arguments, rollout_func=hook, **shared)
    hand_over(trainer, bridge.algorithm, learner, bridge.prompt_ids)
    return trainer


def _settings(settings: StepSettings, learner: Learner, done: int, scratch: str) -> dict[str, Any]:
    """Collect the settings of both trainers: our batch and our sampling."""
    algorithm = settings.algorithm
    assert isinstance(algorithm, PolicyGradient)
    rows = algorithm.completions // algorithm.minibatches // processes.count()
    micro = even_microbatch(rows, settings.optimiser.microbatch_size)
    vllm = {} if settings.vllm is None else {"use_vllm": True, **settings.vllm.model_dump()}
    return {
        **plain_settings(settings, learner, done, scratch),
        "max_steps": (settings.steps - done) * algorithm.epochs * algorithm.minibatches,
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": rows // micro,
        "steps_per_generation": rows // micro * algorithm.minibatches,
        "num_iterations": algorithm.epochs,
        "num_generations": algorithm.group_size,
        "beta": 0.0,  # the penalty comes with the run's own reference, in `hand_over`
        "epsilon": algorithm.clip_low,
        "epsilon_high": algorithm.clip_high,
        "temperature": settings.sampling.temperature,
        "min_p": settings.sampling.min_p or None,
        "max_completion_length": settings.sampling.max_new_tokens,
        "learning_rate": settings.optimiser.learning_rate,
        "shuffle_dataset": False,
        **vllm,
    }


def _grpo_settings(settings: StepSettings) -> dict[str, Any]:
    """Name the differences between algorithms as GRPOTrainer does."""
    losses = {"grpo": "grpo", "gspo": "grpo", "dr_grpo": "dr_grpo", "dapo": "dapo"}
    scale = settings.algorithm.scale if isinstance(settings.algorithm, GRPO) else "group"
    return {
        "loss_type": losses[settings.algorithm.kind],
        "scale_rewards": "none" if settings.algorithm.kind == "dr_grpo" else scale,
        "importance_sampling_level": "sequence" if settings.algorithm.kind == "gspo" else "token",
        "use_bias_correction_kl": False,  # the gradient of k3 itself, as in Shao et al. 2024
    }


class _Bridge(TrainerCallback):  # the hook that Transformers offers
    """Speaks to TRL for the run: gives prompts and rewards, hears of every gradient step, and records whole steps."""

    def __init__(
        self,
        settings: StepSettings,
        components: StepComponents,
        learner: Learner,
        done: int,
        arrive: Callable[[], None],
        record: Record,
    ) -> None:
        assert isinstance(settings.algorithm, PolicyGradient)
        self.algorithm: PolicyGradient = settings.algorithm
        self.settings, self.components, self.learner = settings, components, learner
        self.arrive, self.record = arrive, record
        self.first, self.step = done, done + 1  # the steps taken before; the one in progress
        self.gradient_steps = self.algorithm.epochs * self.algorithm.minibatches
        self.drawn: tuple[int, list[FreeScenario]] = (0, [])  # the scenarios of the step that was last asked for
        self.rollouts: Rollouts | None = None
        self.sampled: list[Episode[FreeScenario]] | None = None
        self.logged: list[dict[str, float]] = []
        self.undo: Callable[[], None] | None = None
        self.started = 0.0
        self.put_back = special_ids_kept(learner.policy)

    def dataset(self) -> Dataset:
        """Make a row a prompt, in the order of their use; a row only names its scenario by its number."""
        count = (self.settings.steps - self.first) * self.algorithm.prompts_per_step
        return Dataset.from_dict({"prompt": [str(number) for number in range(count)], "scenario": range(count)})

    def scenario(self, number: int) -> FreeScenario:
        """Return the scenario of a row; a step's scenarios are drawn when one of them is first asked for."""
        later, place = divmod(number, self.algorithm.prompts_per_step)
        step = self.first + 1 + later
        if self.drawn[0] != step:
            rng = stream(self.settings.seed, step, Stage.scenarios)
            self.drawn = (step, self.components.scenarios(rng, self.algorithm.prompts_per_step))
        return self.drawn[1][place]

    def prompt_ids(self, prompts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of the prompts of these rows, as the built-in engine has them.

        Raises:
            ValueError: if one of them leaves no room for a reply.
        """
        policy = self.learner.policy
        found = [policy.prompt_ids(self.scenario(int(number))).tolist() for number in prompts]
        require_window(policy.model.config, max(map(len, found)), self.settings.sampling.max_new_tokens)
        return found

    def _draws(self, stage: Stage) -> np.random.Generator:
        """Return this process's generator of the step's completions."""
        return stream(self.settings.seed, self.step, stage, processes.rank(), self.settings.rollout_stream)

    def share(self) -> list[int]:
        """List this process's share of the step in progress: the number of each completion's scenario."""
        wanted = self.algorithm.prompts_per_step // processes.count()
        start = (self.step - self.first - 1) * self.algorithm.prompts_per_step + processes.rank() * wanted
        return [index for index in range(start, start + wanted) for _ in range(self.algorithm.group_size)]

    def rollout(self, prompts: Sequence[str], trainer: Any) -> dict[str, Any]:
        """Play our own episodes, as TRL's rollout hook, with our loss mask."""
        assert [int(number) for number in prompts] == self.share(), "TRL took the prompts in another order"
        scenarios = [self.scenario(number) for number in self.share()]
        rng = self._draws(Stage.rollout)
        self.sampled = processes.together(lambda: self.components.generate(scenarios, rng))
        return {
            "prompt_ids": [episode.prompt_ids.tolist() for episode in self.sampled],
            "completion_ids": [episode.completion_ids.tolist() for episode in self.sampled],
            "logprobs": [episode.logprobs.tolist() for episode in self.sampled],
            "env_mask": [self.components.loss_mask(episode).astype(int).tolist() for episode in self.sampled],
        }

    def reward(self, completion_ids: Sequence[Sequence[int]], scenario: Sequence[int], **_: Any) -> list[float | None]:
        """Score, as TRL's reward function, every component at once; None where an episode is unscored or screened out.

        What is judged and recorded is the whole step, so that all processes come to the same decisions.

        Raises:
            ValueError: if an episode is not of the free tier, before it is scored or trained on.
        """
        sampled = time.perf_counter()
        assert list(scenario) == self.share(), "TRL took the prompts in another order"
        end_ids = set(self.learner.policy.end_ids)
        episodes = self.sampled or [
            read_episode(self.learner.policy, self.scenario(index), np.array(ids, np.int64), ids[-1] in end_ids)
            for ids, index in zip(completion_ids, scenario, strict=True)
        ]
        require_free(episodes)
        draws = stream(self.settings.seed, self.step, Stage.reward, processes.rank())
        own_scores = processes.together(lambda: self.components.reward(episodes, draws))
        shares = processes.gathered((episodes, own_scores))
        own = slice(processes.rank() * len(episodes), (processes.rank() + 1) * len(episodes))
        episodes = [episode for share, _ in shares for episode in share]
        scores = [score for _, share in shares for score in share]
        rewards_PG, error_rate = usable_rewards(self.settings, self.components, episodes, scores, self.step)
        # As TRL will; where the KL penalty is in the reward, without that part, which TRL keeps to itself.
        groups = self.algorithm.advantages(rewards_PG)
        scored = time.perf_counter()
        self.sampled = None
        self.rollouts = Rollouts(
            episodes,
            scores,
            rewards_PG,
            drawn_groups=len(rewards_PG),
            generated_tokens=sum(len(episode.completion_ids) for episode in episodes),
            reward_error_rate=error_rate,
            seconds_rollout=sampled - self.started,
            seconds_reward=scored - sampled,
            advantages=tuple(groups.advantages_PG.reshape(-1).tolist()),
        )
        require_gradient(self.settings, self.components.models.labels, self.rollouts, self.step)
        self.started = scored
        return [None if np.isnan(reward) else float(reward) for reward in rewards_PG.reshape(-1)[own]]

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.put_back()  # before any checkpoint is saved

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        # At each gradient step: after one, the scheduler puts the rate back to that without a warm-up.
        set_learning_rate(self.settings, self.learner, self.step)
        if state.global_step % self.gradient_steps:
            return
        # TRL samples from the global stream: seeded by the step, what it draws depends on nothing that came before.
        draws = self._draws(Stage.engine)
        torch.manual_seed(int(draws.integers(2**63)))
        self.undo = snapshot(self.learner) if self.gradient_steps > 1 else None
        self.logged = []
        self.started = time.perf_counter()

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if clip_gradients(self.settings, model):
            return
        self.learner.optimizer.zero_grad(set_to_none=True)
        if self.undo is not None:
            self.undo()
        raise NotFinite(
            f"step {self.step}: the gradient norm isn't finite. The weights are those of step {self.step - 1}: "
            "lower optimiser.learning_rate or raise algorithm.kl_weight"
        )

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if not logs or "loss" not in logs:
            return  # the summary of the whole training
        self.logged.append({key: float(value) for key, value in logs.items() if isinstance(value, int | float)})
        if len(self.logged) < self.gradient_steps:
            return
        assert self.rollouts is not None
        self.record(self._row(self.rollouts), self.rollouts)
        self.step += 1
        self.arrive()

    def _row(self, rollouts: Rollouts) -> StepRow:
        groups = self.algorithm.advantages(rollouts.rewards_PG)
        mean = pd.DataFrame(self.logged).mean().to_dict()  # some are logged at one gradient step of several
        low, high = mean.get("clip_ratio/low_mean", 0.0), mean.get("clip_ratio/high_mean", 0.0)
        return step_row(
            self.settings,
            self.components.models.labels,
            rollouts,
            self.step,
            loss=mean["loss"],
            kl=mean.get("kl"),
            entropy=mean.get("entropy"),
            grad_norm=mean["grad_norm"],
            clip_fraction=low + high,
            clip_fraction_low=low,
            clip_fraction_high=high,
            gradient_steps=self.gradient_steps,
            frac_degenerate_groups=float(groups.degenerate_P.mean()),
            left_out_groups=int(groups.left_out_P.sum()),
            seconds_update=time.perf_counter() - self.started,
        )
