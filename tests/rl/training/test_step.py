"""One optimiser step: what fails in a reward is counted and left out, and only the free tier is trained on."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from envs.episode import Episode, FreeScenario, Scenario
from rewards.answer_length import AnswerLength
from rewards.score import RewardFunction, RewardInput
from rl.algorithms.policy_gradient import PolicyGradient
from rl.errors import RunStopped
from rl.policy.loading import load_policy
from rl.policy.policy import Policy
from rl.policy.sampler import sampler
from rl.run.build import models
from rl.run.config import RunConfig
from rl.training.components import StepComponents, keep_all, mask_nothing
from rl.training.learner import Learner, learning_rate
from rl.training.scoring import scorer
from rl.training.step import policy_gradient_step


class Flaky:
    """Scores 1, 2, 3, ... in order, but raises or gives NaN for the episodes whose number is in `failing`."""

    kind = "flaky"
    weight = 2.0

    def __init__(self, failing: set[int], raises: bool) -> None:
        self.failing, self.raises, self.calls = failing, raises, 0

    def __call__(self, reward_inputs: Sequence[RewardInput]) -> list[float]:
        if len(reward_inputs) > 1:
            self.calls = 0
            if self.raises and self.failing:
                raise RuntimeError("no answer from the judge")
            return [float("nan") if i in self.failing else float(i + 1) for i in range(len(reward_inputs))]
        number, self.calls = self.calls, self.calls + 1
        if number in self.failing:
            raise RuntimeError("no answer from the judge")
        return [float(number + 1)]


@pytest.fixture
def learner(organism_path: Path, policy: Policy) -> Learner:
    """A learner that a test may train."""
    trained = load_policy(organism_path, torch.device("cpu"))
    return Learner(trained, policy, None, torch.optim.AdamW(trained.model.parameters(), lr=1e-2))


def components_with(config: RunConfig, learner: Learner, *rewards: RewardFunction) -> StepComponents:
    assert isinstance(config.algorithm, PolicyGradient)
    return StepComponents(
        scenarios=config.env.training_scenarios, generate=sampler(learner.policy, config.sampling),
        reward=scorer(rewards, 5.0), screen=keep_all, loss_mask=mask_nothing, loss=config.algorithm.loss,
        models=models(config, learner.policy, lambda: learner.policy),
    )  # fmt: skip


def having(config: RunConfig, **settings: object) -> RunConfig:
    return config.model_copy(update={"algorithm": config.algorithm.model_copy(update=settings)})


@pytest.mark.parametrize("raises", [True, False])
def test_a_failed_reward_is_counted_and_its_episode_left_out(raises: bool, tiny: RunConfig, learner: Learner) -> None:
    # 2 groups of 4 with rewards 2 4 6 8 | 10 12 14 16; the second and the last fail: 2 of 8.
    components = components_with(tiny, learner, Flaky({1, 7}, raises))
    row, rollouts = policy_gradient_step(tiny.step_settings, components, learner, 1)
    assert row.reward_error_rate == pytest.approx(0.25)
    assert [score.total for score in rollouts.scores] == [2, None, 6, 8, 10, 12, 14, None]
    # First group: 2 6 8, mean 16 / 3, deviations -10/3 2/3 8/3, squares 168 / 9, over 2: 9.3333, root 3.055050.
    # Second: 10 12 14, mean 12, deviation 2. Epsilon 1e-4.
    expected = [-10 / 3 / 3.05515, 0, 2 / 3 / 3.05515, 8 / 3 / 3.05515, -2 / 2.0001, 0, 2 / 2.0001, 0]
    np.testing.assert_allclose(rollouts.advantages, expected, rtol=1e-5)
    # The mean is over the six that were scored: (2 + 6 + 8 + 10 + 12 + 14) / 6.
    assert row.reward_mean == pytest.approx(52 / 6)
    assert row.components["flaky"][0] == pytest.approx(52 / 6)
    assert (row.frac_degenerate_groups, row.left_out_groups) == (0.0, 0)


def test_too_many_failures_stop_the_run_with_the_first_reason(tiny: RunConfig, learner: Learner) -> None:
    components = components_with(tiny, learner, Flaky({1, 2, 7}, raises=True))
    with pytest.raises(RunStopped) as caught:
        policy_gradient_step(tiny.step_settings, components, learner, 3)
    assert str(caught.value) == (
        "step 3: 3 of 8 episodes are unscored, more than max_reward_error_rate=0.25 allows; "
        "the first reason: flaky: RuntimeError: no answer from the judge"
    )


def test_a_group_with_one_score_left_is_left_out_and_counted(tiny: RunConfig, learner: Learner) -> None:
    patient = tiny.model_copy(update={"max_reward_error_rate": 0.5})
    components = components_with(tiny, learner, Flaky({0, 1, 2}, raises=False))
    row, rollouts = policy_gradient_step(patient.step_settings, components, learner, 1)
    assert row.left_out_groups == 1
    assert list(rollouts.advantages[:4]) == [0.0] * 4
    assert abs(rollouts.advantages[4]) > 1


class Alike:
    """The same for all of the first group."""

    kind = "alike"
    weight = 1.0

    def __call__(self, reward_inputs: Sequence[RewardInput]) -> list[float]:
        return [float(max(0, i - 3)) for i in range(len(reward_inputs))]


def test_a_degenerate_group_is_counted(tiny: RunConfig, learner: Learner) -> None:
    row, rollouts = policy_gradient_step(tiny.step_settings, components_with(tiny, learner, Alike()), learner, 1)
    assert (row.frac_degenerate_groups, row.left_out_groups) == (0.5, 0)
    assert list(rollouts.advantages[:4]) == [0.0] * 4


def test_what_the_screen_leaves_out_leaves_the_baseline_as_well(tiny: RunConfig, learner: Learner) -> None:
    def screen(episodes: Sequence[Episode[FreeScenario]], scores: Sequence[object]) -> np.ndarray:
        return np.arange(len(episodes)) != 0

    components = replace(components_with(tiny, learner, Flaky(set(), raises=False)), screen=screen)
    row, rollouts = policy_gradient_step(tiny.step_settings, components, learner, 1)
    # 4 6 8 remain: mean 6, deviation 2. Screened out is no reward error.
    np.testing.assert_allclose(rollouts.advantages[:4], [0, -2 / 2.0001, 0, 2 / 2.0001], rtol=1e-5)
    assert row.reward_error_rate == 0.0


def test_a_tier_other_than_free_never_reaches_the_optimiser(tiny: RunConfig, learner: Learner) -> None:
    def smuggle(scenarios: Sequence[Scenario], rng: np.random.Generator) -> list[Episode[Scenario]]:
        episodes = sampler(learner.policy, tiny.sampling)(scenarios, rng)
        free = episodes[3].scenario
        paid = free.on_tier("paid")
        return [*episodes[:3], replace(episodes[3], scenario=paid), *episodes[4:]]

    before = [parameter.clone() for parameter in learner.policy.model.parameters()]
    components = replace(components_with(tiny, learner, Flaky(set(), raises=False)), generate=smuggle)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="on the paid tier reached the optimiser"):
        policy_gradient_step(tiny.step_settings, components, learner, 1)
    assert all(torch.equal(a, b) for a, b in zip(before, learner.policy.model.parameters(), strict=True))


def test_no_variance_stops_the_first_step_only(tiny: RunConfig, learner: Learner) -> None:
    components = components_with(tiny, learner, AnswerLength(weight=0.0))
    with pytest.raises(RunStopped, match="group-normalised RL has no gradient here"):
        policy_gradient_step(tiny.step_settings, components, learner, 1)
    row, _ = policy_gradient_step(tiny.step_settings, components, learner, 2)
    assert row.frac_degenerate_groups == 1.0


def test_a_loss_that_is_not_finite_changes_no_weight(tiny: RunConfig, learner: Learner) -> None:
    before = [parameter.clone() for parameter in learner.policy.model.parameters()]
    # float32 can't hold the weight: 0 x infinity, since at the start the divergence is exactly 0.
    tiny = having(tiny, kl_weight=1e39)
    components = components_with(tiny, learner, Flaky(set(), raises=False))
    with pytest.raises(RunStopped, match=r"step 1: the loss \(nan\)"):
        policy_gradient_step(tiny.step_settings, components, learner, 1)
    assert all(torch.equal(a, b) for a, b in zip(before, learner.policy.model.parameters(), strict=True))


def test_steps_follow_the_reward(tiny: RunConfig, learner: Learner) -> None:
    # Answers start with one of 13 letters, at first all about as often: half of the well-formed ones are paid.
    class FirstHalf:
        kind, weight = "first_half", 1.0

        def __call__(self, reward_inputs: Sequence[RewardInput]) -> list[float]:
            return [float(s.parse_ok and s.answer[0] in "nopqrst") for s in reward_inputs]

    config = having(tiny, group_size=16)
    components = components_with(config, learner, FirstHalf())
    rows = [policy_gradient_step(config.step_settings, components, learner, step)[0] for step in range(1, 13)]
    means = [row.reward_mean or 0.0 for row in rows]
    assert np.mean(means[:2]) < 0.7
    assert np.mean(means[-2:]) > 0.8
    assert (rows[-1].kl or 0.0) > (rows[1].kl or 0.0)


def test_the_warm_up_is_linear_and_counts_from_one(tiny: RunConfig) -> None:
    config = tiny.model_copy(
        update={"optimiser": tiny.optimiser.model_copy(update={"learning_rate": 0.8, "warmup_steps": 4})}
    )
    assert [learning_rate(config.step_settings, step) for step in (1, 2, 3, 4, 5, 100)] == pytest.approx(
        [0.2, 0.4, 0.6, 0.8, 0.8, 0.8]
    )
    assert learning_rate(tiny.step_settings, 1) == tiny.optimiser.learning_rate


def test_a_first_step_whose_rollouts_are_screened_out_says_so(tiny: RunConfig, learner: Learner) -> None:
    def nothing(episodes: Sequence[Episode[FreeScenario]], scores: Sequence[object]) -> np.ndarray:
        return np.zeros(len(episodes), dtype=bool)

    components = replace(components_with(tiny, learner, AnswerLength()), screen=nothing)
    every = tiny.algorithm.prompts_per_step * tiny.algorithm.group_size
    with pytest.raises(RunStopped, match=f"{every} of the {every} rollouts of the first step are left out"):
        policy_gradient_step(tiny.step_settings, components, learner, 1)
