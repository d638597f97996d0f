"""The same episodes give the same advantages, loss and gradients here and in the installed TRL, to 1e-4."""

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import rl.training.trl.engine
from envs.episode import Episode, FreeScenario
from reports.records import StepRow
from rewards.format_penalty import FormatPenalty
from rewards.score import RewardInput, Score
from rl.algorithms.dapo import DAPO
from rl.algorithms.dr_grpo import DrGRPO
from rl.algorithms.grpo import GRPO
from rl.algorithms.gspo import GSPO
from rl.algorithms.policy_gradient import PolicyGradient
from rl.algorithms.rloo import RLOO
from rl.mitigations.loss_mask import LossMask
from rl.policy.loading import load_policy
from rl.policy.logprobs import completion_logprobs
from rl.policy.policy import Policy
from rl.policy.sampler import Sampling, sampler
from rl.run.build import models
from rl.run.compatibility import require_engine
from rl.run.config import RunConfig
from rl.run.loop import resume, train
from rl.training.components import StepComponents, keep_all, mask_nothing
from rl.training.learner import Learner
from rl.training.rollouts import Rollouts
from rl.training.scoring import scorer
from rl.training.settings import Optimiser
from rl.training.step import policy_gradient_step
from tests.rl.conftest import rows, weights

CPU = torch.device("cpu")
TOLERANCE = 1e-4
BATCH: dict[str, Any] = {"prompts_per_step": 4, "group_size": 4, "epochs": 2}
ALGORITHMS: dict[str, Callable[[float], PolicyGradient]] = {
    "grpo": lambda weight: GRPO(kl_weight=weight, **BATCH),
    "grpo, batch scale": lambda weight: GRPO(kl_weight=weight, scale="batch", **BATCH),
    "dr_grpo": lambda weight: DrGRPO(kl_weight=weight, **BATCH),
    "dapo": lambda weight: DAPO(kl_weight=weight, max_rounds=1, **BATCH),
    "gspo": lambda weight: GSPO(kl_weight=weight, **BATCH),
    "rloo": lambda weight: RLOO(kl_weight=weight, **BATCH),
}


pytestmark = pytest.mark.usefixtures("without_garbage")


class Jolt(torch.optim.AdamW):
    """Keeps the gradients that it is given, and moves the weights by noise that is the same in both engines.

    The second gradient step of a batch then meets a policy that is far from the one that sampled.
    """

    gradients: list[list[torch.Tensor]]

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        parameters = [p for group in self.param_groups for p in group["params"]]
        self.gradients = [*getattr(self, "gradients", []), [p.grad.detach().clone() for p in parameters]]
        add_noise(parameters, 0.05, 700 + len(self.gradients))


@torch.no_grad()
def add_noise(parameters: Sequence[torch.Tensor], scale: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in parameters:
        parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=scale)


class Lengths:
    """A reward that differs between all completions, and has no answer for the third of each batch."""

    kind = "lengths"
    weight = 1.0

    def __call__(self, reward_inputs: Sequence[RewardInput]) -> list[float]:
        values = [0.3 * s.answer_tokens + 0.1 * (sum(map(ord, s.answer)) % 7) for s in reward_inputs]
        return [math.nan if i == 2 else value for i, value in enumerate(values)]


def jolted_learner(organism_path: Path) -> Learner:
    """A policy that is away from its reference before the first step."""
    policy, reference = load_policy(organism_path, CPU), load_policy(organism_path, CPU)
    add_noise(list(policy.model.parameters()), 0.03, 99)
    return Learner(policy, reference, None, Jolt(policy.model.parameters(), lr=1e-3))


def components_of(config: RunConfig, policy: Policy) -> StepComponents:
    assert isinstance(config.algorithm, PolicyGradient)
    components = StepComponents(
        scenarios=config.env.training_scenarios, generate=sampler(policy, config.sampling),
        reward=scorer([Lengths(), FormatPenalty()], 5.0), screen=keep_all, loss_mask=mask_nothing,
        loss=config.algorithm.loss, models=models(config, policy, lambda: policy),
    )  # fmt: skip
    for mitigation in config.mitigations:
        components = mitigation.apply(components)
    return components


def given(episodes: Sequence[Episode[FreeScenario]], policy: Policy, temperature: float) -> Callable[..., Any]:
    """Episodes as they are, with their log-probabilities under the policy as it is now."""
    logprobs_NT = completion_logprobs(policy, episodes, 100, temperature).astype(np.float32)
    known = [
        replace(episode, logprobs=row[: len(episode.completion_ids)])
        for episode, row in zip(episodes, logprobs_NT, strict=True)
    ]
    return lambda scenarios, rng: known


@dataclass(frozen=True)
class Taken:
    """One step of one engine: its record, its rollouts, and the gradients of each of its gradient steps by name."""

    row: StepRow
    rollouts: Rollouts
    gradients: list[dict[str, torch.Tensor]]


def taken(learner: Learner, row: StepRow, rollouts: Rollouts) -> Taken:
    names = [name for name, _ in learner.policy.model.named_parameters()]
    assert isinstance(learner.optimizer, Jolt)
    found = [dict(zip(names, gradients, strict=True)) for gradients in learner.optimizer.gradients]
    return Taken(row, rollouts, found)


def step_in_trl(config: RunConfig, organism_path: Path, own_rollouts: bool) -> Taken:
    learner = jolted_learner(organism_path)
    recorded: list[tuple[StepRow, Rollouts]] = []
    rl.training.trl.engine.run_steps(
        config.step_settings,
        components_of(config, learner.policy),
        learner,
        0,
        lambda: None,
        lambda *step: recorded.append(step),
        own_rollouts,
    )
    [(row, rollouts)] = recorded
    return taken(learner, row, rollouts)


def step_here(config: RunConfig, organism_path: Path, played: Sequence[Episode[FreeScenario]] | None) -> Taken:
    """A step of the built-in engine, on episodes `played` elsewhere or on its own."""
    learner = jolted_learner(organism_path)
    components = components_of(config, learner.policy)
    if played is not None:
        components = replace(components, generate=given(played, learner.policy, config.sampling.temperature))
    return taken(learner, *policy_gradient_step(config.step_settings, components, learner, 1))


def of_two_steps(tiny: RunConfig, algorithm: PolicyGradient, **changes: Any) -> RunConfig:
    """One step of two gradient steps over 16 completions, with settings that none of the libraries has as default."""
    config = RunConfig.model_validate(
        {
            **dict(tiny),
            "engine": "trl",
            "steps": 1,
            "algorithm": algorithm,
            "sampling": Sampling(max_new_tokens=20, temperature=0.8, min_p=0.02),
            # No norm comes near the clip; forward passes of 3 here and, since TRL's must divide 16, of 2 there.
            "optimiser": Optimiser(microbatch_size=3, max_grad_norm=1e6),
            **changes,
        }
    )
    require_engine(config)
    return config


def both(config: RunConfig, organism_path: Path) -> tuple[Taken, Taken]:
    """The same episodes through both engines. RLOOTrainer has no hook for rollouts: it plays first."""
    hooked = config.algorithm.kind != "rloo"
    there = step_in_trl(config, organism_path, own_rollouts=hooked)
    here = step_here(config, organism_path, None if hooked else there.rollouts.episodes)
    for mine, other in zip(here.rollouts.episodes, there.rollouts.episodes, strict=True):
        assert mine.scenario == other.scenario
        assert mine.completion_ids.tolist() == other.completion_ids.tolist()
    return here, there


def assert_same_gradients(here: Taken, there: Taken) -> None:
    assert len(here.gradients) == len(there.gradients) == 2
    for number, (mine, other) in enumerate(zip(here.gradients, there.gradients, strict=True), start=1):
        largest = max(float(gradient.abs().max()) for gradient in mine.values())
        assert largest > 1e-3
        for name, gradient in mine.items():
            apart = float((gradient - other[name]).abs().max())
            assert apart <= TOLERANCE, (number, name, apart, largest)


@pytest.mark.parametrize("kl_weight", [0.0, 0.05])
@pytest.mark.parametrize("kind", ALGORITHMS)
def test_the_same_episodes_give_the_same_loss_and_gradients(
    kind: str, kl_weight: float, tiny: RunConfig, organism_path: Path
) -> None:
    config = of_two_steps(tiny, ALGORITHMS[kind](kl_weight))
    here, there = both(config, organism_path)
    # Not trivial: clipped on both sides but not everywhere, an unscored episode, a policy far from its reference.
    assert here.row.clip_fraction_low is not None
    assert here.row.clip_fraction_high is not None
    assert here.row.clip_fraction_low > 0.01
    assert here.row.clip_fraction_high > 0.01
    assert here.row.clip_fraction_low + here.row.clip_fraction_high < 0.49  # of both steps, and the first clips nothing
    assert here.row.reward_error_rate == there.row.reward_error_rate == 1 / 16
    assert (here.row.kl is not None) == (kl_weight > 0)
    assert here.row.kl is None or abs(here.row.kl) > 1e-3
    assert here.row.loss == pytest.approx(there.row.loss, abs=TOLERANCE)
    assert_same_gradients(here, there)


@pytest.mark.parametrize("tokens", ["answer", "scratchpad"])
@pytest.mark.parametrize("kind", [kind for kind in ALGORITHMS if kind != "rloo"])
def test_credit_reaches_the_loss_of_trl(kind: str, tokens: str, tiny: RunConfig, organism_path: Path) -> None:
    config = of_two_steps(tiny, ALGORITHMS[kind](0.05), mitigations=(LossMask(tokens=tokens),))
    here, there = both(config, organism_path)
    assert here.row.loss == pytest.approx(there.row.loss, abs=TOLERANCE)
    assert_same_gradients(here, there)


MEASURED = (
    "loss", "kl", "entropy", "grad_norm", "clip_fraction", "clip_fraction_low", "clip_fraction_high",
    "reward_mean", "reward_std", "frac_degenerate_groups", "left_out_groups", "gradient_steps", "lr",
)  # fmt: skip


@pytest.mark.parametrize("kind", ["grpo", "gspo", "rloo"])
def test_the_measurements_of_a_whole_batch_are_the_same(kind: str, tiny: RunConfig, organism_path: Path) -> None:
    # TRL averages over forward passes: with one a gradient step that is the average over tokens.
    config = of_two_steps(tiny, ALGORITHMS[kind](0.05), optimiser=Optimiser(microbatch_size=16, max_grad_norm=1e6))
    here, there = both(config, organism_path)
    for name in MEASURED:
        if name.startswith("clip_fraction") and kind != "grpo":
            continue  # of one ratio a completion TRL counts completions, and we the tokens that they stop
        mine, other = getattr(here.row, name), getattr(there.row, name)
        assert mine is not None, name
        assert mine == pytest.approx(other, abs=TOLERANCE), name


@pytest.mark.parametrize(
    "algorithm",
    [
        GRPO(prompts_per_step=4, group_size=4, kl_weight=0.0),
        GRPO(prompts_per_step=4, group_size=4, kl_weight=0.0, scale="batch"),
        GRPO(prompts_per_step=4, group_size=4, kl_weight=0.0, scale="none"),
        DrGRPO(prompts_per_step=4, group_size=4),
        DAPO(prompts_per_step=4, group_size=4, max_rounds=1),
        GSPO(prompts_per_step=4, group_size=4, kl_weight=0.0),
        RLOO(prompts_per_step=4, group_size=4, kl_weight=0.0),
    ],
    ids=lambda algorithm: f"{algorithm.kind}-{getattr(algorithm, 'scale', '')}",
)
def test_the_same_rewards_give_the_same_advantages(
    algorithm: PolicyGradient, tiny: RunConfig, organism_path: Path, tmp_path: Path
) -> None:
    # A group with an unscored completion, one that is all alike, one with a single score, one without a gap.
    totals = [1.0, 2.0, None, 4.0, 0.3, 0.3, 0.3, 0.3, None, None, None, 5.0, 0.0, 1.0, 0.1, 1.0]
    config = of_two_steps(tiny, algorithm, max_reward_error_rate=1.0)
    learner = jolted_learner(organism_path)
    components = replace(
        components_of(config, learner.policy),
        reward=lambda episodes, _: [Score(total, {}, None if total is not None else "failed") for total in totals],
    )
    bridge = rl.training.trl.engine._Bridge(config.step_settings, components, learner, 0, lambda: None, lambda *_: None)
    trainer = rl.training.trl.engine._trainer(config.step_settings, learner, bridge, False, str(tmp_path))
    prompts = [row for row in bridge.dataset() for _ in range(4)]
    there = trainer._generate_and_score_completions(prompts)["advantages"].numpy()
    rewards_PG = np.array([math.nan if total is None else total for total in totals]).reshape(4, 4)
    here = algorithm.advantages(rewards_PG).advantages_PG.reshape(-1)
    assert (here != 0).sum() == 7
    np.testing.assert_allclose(there, here, atol=TOLERANCE)


def test_a_step_of_a_run_is_the_same_on_either_engine(tiny: RunConfig, tmp_path: Path) -> None:
    """Two steps here, then the third on each engine from the same checkpoint: moments, rate and reference go along."""
    config = RunConfig.model_validate(
        {
            **dict(tiny),
            "steps": 3,
            "mitigations": (LossMask(),),  # makes TRL take its rollouts from us
            "optimiser": Optimiser(learning_rate=2e-3, warmup_steps=5, microbatch_size=8),
        }
    )
    here = train(config, tmp_path / "builtin")
    there = Path(shutil.copytree(here, tmp_path / "trl"))
    (there / "config.json").write_text(config.model_copy(update={"engine": "trl"}).model_dump_json())
    resume(there, 2)
    mine, other = rows(here, "steps.jsonl")[2], rows(there, "steps.jsonl")[2]
    # The penalty is the same, in loss and gradient; recorded is the KL of all tokens here, on TRL of those in the loss.
    assert min(mine["kl"], other["kl"]) > 1e-4
    for name in ("loss", "grad_norm", "entropy", "clip_fraction", "reward_mean", "lr", "parse_rate"):
        assert mine[name] == pytest.approx(other[name], abs=TOLERANCE), name
    before, after, also = weights(here, 2), weights(here, 3), weights(there, 3)
    moved = max(float((after[name] - before[name]).abs().max()) for name in after)
    apart = max(float((after[name] - also[name]).abs().max()) for name in after)
    assert moved > 5e-4
    assert apart < TOLERANCE, (apart, moved)
    frames = [pd.read_parquet(run / "episodes" / "step-000003.parquet") for run in (here, there)]
    played = [frame[frame["split"] == "train"].reset_index(drop=True) for frame in frames]
    pd.testing.assert_frame_equal(*(frame.drop(columns=["advantage", "run"]) for frame in played))
