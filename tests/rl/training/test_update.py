"""Several gradient steps, a moving reference, a critic, preferences and dynamic sampling: on runs that take seconds."""

import json
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from checkpoints import optimizer_state, store
from reports.records import StepRow
from rewards.score import RewardFunction, RewardInput
from rl.algorithms.dapo import DAPO
from rl.algorithms.dpo import DPO
from rl.algorithms.dr_grpo import DrGRPO
from rl.algorithms.grpo import GRPO
from rl.algorithms.gspo import GSPO
from rl.algorithms.kto import KTO
from rl.algorithms.losses import PolicyLoss
from rl.algorithms.ppo import PPO
from rl.algorithms.reinforce import Reinforce
from rl.algorithms.rloo import RLOO
from rl.algorithms.settings import MovingReference
from rl.errors import NotFinite, RunStopped
from rl.run.build import build, build_components
from rl.run.config import RunConfig
from rl.run.loop import resume, train
from rl.streams import Stage, stream
from rl.training.components import Auxiliary, Loss, StepComponents
from rl.training.experience import gather
from rl.training.learner import Learner, new_learner
from rl.training.rollouts import Rollouts, collect
from rl.training.scoring import scorer
from rl.training.step import policy_gradient_step
from tests.rl.conftest import rows, same_run, same_weights, steps_unlabelled, weights

SIZE = {"prompts_per_step": 2, "group_size": 4}
SEVERAL = GRPO(**SIZE, epochs=2, minibatches=2)
CRITIC = PPO(**SIZE)
ON_POLICY = [
    GRPO(**SIZE), DrGRPO(**SIZE), DAPO(**SIZE), GSPO(**SIZE), RLOO(**SIZE), Reinforce(**SIZE),
    PPO(**SIZE, epochs=1, minibatches=1),
]  # fmt: skip


def having(config: RunConfig, **changes: Any) -> RunConfig:
    return RunConfig.model_validate({**dict(config), **changes})


def started(config: RunConfig) -> tuple[StepComponents, Learner]:
    """The parts and the learner of a new run, wired as the loop wires them."""
    built = build(config)
    return build_components(config, built), new_learner(config.step_settings, built.policy, built.reference)


def first_step(config: RunConfig, *rewards: RewardFunction) -> tuple[StepRow, Rollouts]:
    components, learner = started(config)
    if rewards:
        components = replace(components, reward=scorer(rewards, 5.0))
    return policy_gradient_step(config.step_settings, components, learner, 1)


def trained(learner: Learner) -> list[torch.Tensor]:
    """Copies of the weights that the optimiser changes, the critic's among them."""
    return [parameter.detach().clone() for group in learner.optimizer.param_groups for parameter in group["params"]]


def equal(first: Sequence[torch.Tensor], second: Sequence[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_several_gradient_steps_leave_the_policy_that_sampled(tiny: RunConfig) -> None:
    row, _ = first_step(having(tiny, algorithm=SEVERAL))
    assert row.gradient_steps == 4  # 2 epochs x 2 minibatches
    assert row.ratio_mean is not None
    assert row.ratio_max is not None
    assert abs(row.ratio_mean - 1) > 1e-4
    assert row.ratio_max > row.ratio_mean
    assert row.ratio_max > 1.01
    low, high = row.clip_fraction_low, row.clip_fraction_high
    assert low is not None
    assert high is not None
    assert 0 <= low <= 1
    assert 0 <= high <= 1
    assert low + high > 0
    assert row.clip_fraction == pytest.approx(low + high)


@pytest.mark.parametrize("algorithm", ON_POLICY, ids=lambda algorithm: algorithm.kind)
def test_one_gradient_step_is_on_policy(algorithm: Any, tiny: RunConfig) -> None:
    config = having(tiny, algorithm=algorithm)
    components, learner = started(config)
    before = trained(learner)
    row, _ = policy_gradient_step(config.step_settings, components, learner, 1)
    assert row.gradient_steps == 1
    assert row.ratio_mean == pytest.approx(1.0, abs=1e-5)
    assert row.ratio_max == pytest.approx(1.0, abs=1e-4)
    assert row.clip_fraction == 0.0
    assert row.grad_norm is not None
    assert row.grad_norm > 0
    assert not equal(before, trained(learner))
    # At the start the policy is the reference; a run without a penalty reads none.
    assert row.kl == (pytest.approx(0.0, abs=1e-5) if algorithm.kl_weight > 0 else None)
    assert (row.value_loss is not None) == algorithm.has_critic
    assert (row.explained_variance is not None) == algorithm.has_critic


@pytest.mark.parametrize(("place", "estimator"), [("loss", "k3"), ("reward", "k1")])
def test_the_recorded_kl_is_over_all_tokens_whatever_has_credit(place: str, estimator: str, tiny: RunConfig) -> None:
    algorithm = GRPO.model_validate(
        {**tiny.algorithm.model_dump(), "kind": "grpo", "kl_weight": 0.1, "kl_in": place, "kl_estimator": estimator}
    )
    found = []
    for few in (False, True):
        components, learner = started(having(tiny, algorithm=algorithm))
        with torch.no_grad():
            for parameter in learner.reference.model.parameters():
                parameter.mul_(0.9)
        if few:
            components = replace(components, loss_mask=lambda episode: np.arange(len(episode.completion_ids)) < 2)
        row, rollouts = policy_gradient_step(having(tiny, algorithm=algorithm).step_settings, components, learner, 1)
        found.append((row.kl, [episode.text for episode in rollouts.episodes], row.grad_norm))
    (kl, texts, norm), (kl_of_few, same, other) = found
    assert texts == same
    assert kl is not None
    assert abs(kl) > 1e-3
    assert kl_of_few == pytest.approx(kl, rel=1e-5)
    assert norm != pytest.approx(other, rel=1e-3)


@pytest.mark.parametrize("algorithm", ON_POLICY, ids=lambda algorithm: algorithm.kind)
def test_forward_passes_do_not_change_the_step(algorithm: Any, tiny: RunConfig) -> None:
    found = []
    for size in (3, 8):
        config = having(
            tiny, algorithm=algorithm, optimiser=tiny.optimiser.model_copy(update={"microbatch_size": size})
        )
        found.append(first_step(config)[0])
    # Float32, added up in another order.
    assert found[0].loss == pytest.approx(found[1].loss, abs=1e-5)
    assert found[0].grad_norm == pytest.approx(found[1].grad_norm, rel=1e-3)


def watched(loss: Loss, seen: list[tuple[int, float]]) -> Loss:
    """Notes of each forward pass how many completions it has, and the sum of its tokens' weights."""

    def watch(
        logprobs_BT: torch.Tensor, sampled_logprobs_BT: torch.Tensor, advantages_BT: torch.Tensor,
        loss_mask_BT: torch.Tensor, weights_B: torch.Tensor,
    ) -> PolicyLoss:  # fmt: skip
        seen.append((len(weights_B), float((loss_mask_BT * weights_B.unsqueeze(1)).sum())))
        return loss(logprobs_BT, sampled_logprobs_BT, advantages_BT, loss_mask_BT, weights_B)

    return watch


@pytest.mark.parametrize("algorithm", [SEVERAL, DAPO(**SIZE, epochs=2, minibatches=2)], ids=lambda a: a.kind)
def test_every_gradient_step_is_a_whole_mean_over_its_own_completions(algorithm: Any, tiny: RunConfig) -> None:
    config = having(tiny, algorithm=algorithm)
    components, learner = started(config)
    seen: list[tuple[int, float]] = []
    policy_gradient_step(config.step_settings, replace(components, loss=watched(components.loss, seen)), learner, 1)
    # 2 epochs x 2 minibatches of 4 completions, read by at most 3.
    assert [n for n, _ in seen] == [3, 1] * 4
    sums = [first + second for (_, first), (_, second) in zip(seen[::2], seen[1::2], strict=True)]
    assert sums == [pytest.approx(1.0)] * 4


def test_every_pass_divides_the_batch_anew_and_reads_each_completion_once(tiny: RunConfig) -> None:
    config = having(tiny, algorithm=GRPO(**SIZE, epochs=4, minibatches=2))
    components, learner = started(config)
    read: list[float] = []

    def watch(
        logprobs_BT: torch.Tensor, sampled_logprobs_BT: torch.Tensor, advantages_BT: torch.Tensor,
        loss_mask_BT: torch.Tensor, weights_B: torch.Tensor,
    ) -> PolicyLoss:  # fmt: skip
        # A completion is known by its log-probability.
        read.extend(round(float(total), 3) for total in (sampled_logprobs_BT * loss_mask_BT).sum(dim=1))
        return components.loss(logprobs_BT, sampled_logprobs_BT, advantages_BT, loss_mask_BT, weights_B)

    _, rollouts = policy_gradient_step(config.step_settings, replace(components, loss=watch), learner, 1)
    everyone = sorted(round(float(episode.logprobs.sum()), 3) for episode in rollouts.episodes)
    passes = [read[start : start + 8] for start in range(0, 32, 8)]
    assert [sorted(one) for one in passes] == [pytest.approx(everyone, abs=2e-3)] * 4
    assert len({frozenset(one[:4]) for one in passes}) > 1


def nan_loss(found: PolicyLoss, logprobs_BT: torch.Tensor) -> PolicyLoss:
    return replace(found, loss=found.loss * math.nan)


def nan_gradient(found: PolicyLoss, logprobs_BT: torch.Tensor) -> PolicyLoss:
    # The root's slope at 0 is infinite, times 0: the loss is as it was, its gradient is NaN.
    return replace(found, loss=found.loss + (0 * logprobs_BT).sum().sqrt())


def failing_from(
    call: int, loss: Loss, spoil: Callable[[PolicyLoss, torch.Tensor], PolicyLoss]
) -> tuple[Loss, list[int]]:
    """The loss, spoilt from its `call`-th call on, and the calls it has had."""
    calls: list[int] = []

    def failing(
        logprobs_BT: torch.Tensor, sampled_logprobs_BT: torch.Tensor, advantages_BT: torch.Tensor,
        loss_mask_BT: torch.Tensor, weights_B: torch.Tensor,
    ) -> PolicyLoss:  # fmt: skip
        calls.append(len(calls) + 1)
        found = loss(logprobs_BT, sampled_logprobs_BT, advantages_BT, loss_mask_BT, weights_B)
        return spoil(found, logprobs_BT) if calls[-1] >= call else found

    return failing, calls


@pytest.mark.parametrize("spoil", [nan_loss, nan_gradient])
@pytest.mark.parametrize("algorithm", [SEVERAL, CRITIC], ids=lambda algorithm: algorithm.kind)
@pytest.mark.parametrize("taken_before", [0, 1])
def test_a_gradient_step_that_is_not_finite_undoes_the_whole_step(
    taken_before: int, algorithm: Any, spoil: Callable[[PolicyLoss, torch.Tensor], PolicyLoss], tiny: RunConfig
) -> None:
    config = having(tiny, algorithm=algorithm)
    components, learner = started(config)
    for step in range(1, taken_before + 1):
        policy_gradient_step(config.step_settings, components, learner, step)
    before, (tensors, rest) = trained(learner), optimizer_state.flatten(learner.optimizer)
    # A minibatch of 4 is read in 2 forward passes: the third is the first of the second gradient step.
    failing, calls = failing_from(3, components.loss, spoil)
    with pytest.raises(NotFinite, match=rf"step {taken_before + 1}: .* The weights are those of step {taken_before}"):
        policy_gradient_step(config.step_settings, replace(components, loss=failing), learner, taken_before + 1)
    assert calls == [1, 2, 3, 4]  # the first gradient step was taken, the third never begun
    assert equal(before, trained(learner))
    after, rest_after = optimizer_state.flatten(learner.optimizer)
    assert same_weights(tensors, after)
    # The rate is set anew at each step.
    assert rest_after == rest
    assert all(parameter.grad is None for parameter in learner.policy.model.parameters())


def test_after_an_undone_step_the_run_goes_on_as_if_it_had_never_been_tried(tiny: RunConfig) -> None:
    config = having(tiny, algorithm=SEVERAL)
    rows_found = []
    for tried in (False, True):
        components, learner = started(config)
        policy_gradient_step(config.step_settings, components, learner, 1)
        if tried:
            failing, _ = failing_from(3, components.loss, nan_loss)
            with pytest.raises(NotFinite):
                policy_gradient_step(config.step_settings, replace(components, loss=failing), learner, 2)
        row, _ = policy_gradient_step(config.step_settings, components, learner, 2)
        rows_found.append((row.loss, row.grad_norm, row.ratio_mean, trained(learner)))
    assert rows_found[0][:3] == rows_found[1][:3]
    assert equal(rows_found[0][3], rows_found[1][3])


def test_a_first_gradient_step_that_is_not_finite_changes_nothing_either(tiny: RunConfig) -> None:
    config = having(tiny, algorithm=SEVERAL)
    components, learner = started(config)
    before = trained(learner)
    failing, calls = failing_from(1, components.loss, nan_loss)
    with pytest.raises(NotFinite):
        policy_gradient_step(config.step_settings, replace(components, loss=failing), learner, 1)
    assert calls == [1, 2]
    assert equal(before, trained(learner))
    assert not learner.optimizer.state


class Watched:
    """The gradients that each gradient step of a learner is taken with, after clipping."""

    def __init__(self, learner: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
        self.found: list[list[torch.Tensor]] = []
        original = learner.optimizer.step

        def step() -> None:
            parameters = [p for group in learner.optimizer.param_groups for p in group["params"]]
            self.found.append([p.grad.clone() for p in parameters])
            original()

        monkeypatch.setattr(learner.optimizer, "step", step)

    def norm(self, at: int) -> float:
        return float(torch.cat([gradient.flatten() for gradient in self.found[at]]).norm())


def drawn(components: StepComponents, factor: float) -> Auxiliary:
    """A term whose value is `factor` times a number that it draws, and whose gradient is `factor` times 1 at every
    weight of the output layer, whatever the weights."""
    weights = components.models.policy.model.get_output_embeddings().weight

    def term(rng: np.random.Generator) -> torch.Tensor:
        return factor * (weights - weights.detach()).sum() + factor * float(rng.random())

    return term


def test_auxiliary_terms_add_their_gradients_before_clipping(tiny: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    rows_found, watched_steps = {}, {}
    for name, limit, factors in (("plain", 1e9, ()), ("two", 1e9, (0.5, 0.25)), ("clipped", 0.01, (0.5, 0.25))):
        config = having(tiny, optimiser=tiny.optimiser.model_copy(update={"max_grad_norm": limit}))
        components, learner = started(config)
        components = replace(components, auxiliary=tuple(drawn(components, factor) for factor in factors))
        watched_steps[name] = Watched(learner, monkeypatch)
        rows_found[name], _ = policy_gradient_step(config.step_settings, components, learner, 1)
        output = components.models.policy.model.get_output_embeddings().weight
        at = next(i for i, p in enumerate(learner.optimizer.param_groups[0]["params"]) if p is output)
    plain, two, clipped = (watched_steps[name].found[0] for name in ("plain", "two", "clipped"))
    for index, (without, having_both) in enumerate(zip(plain, two, strict=True)):
        # The two add 0.5 and 0.25 at each weight of the output layer and nothing elsewhere.
        torch.testing.assert_close(having_both - without, torch.full_like(without, 0.75 if index == at else 0.0))
    norm = watched_steps["two"].norm(0)
    assert norm > 0.75 * math.sqrt(two[at].numel()) / 2
    assert rows_found["two"].grad_norm == pytest.approx(norm, rel=1e-5)
    # Clipped are the sums: all of the gradient shrinks alike.
    assert rows_found["clipped"].grad_norm == pytest.approx(norm, rel=1e-5)
    assert watched_steps["clipped"].norm(0) == pytest.approx(0.01, rel=1e-3)
    for one, other in zip(two, clipped, strict=True):
        torch.testing.assert_close(one * (0.01 / norm), other, rtol=1e-3, atol=1e-9)


def test_auxiliary_losses_are_recorded_beside_and_within_the_loss(tiny: RunConfig) -> None:
    components, learner = started(tiny)
    plain, _ = policy_gradient_step(tiny.step_settings, components, learner, 1)
    assert plain.auxiliary_loss is None
    components, learner = started(tiny)
    both = replace(components, auxiliary=(drawn(components, 0.5), drawn(components, 0.25)))
    row, _ = policy_gradient_step(tiny.step_settings, both, learner, 1)
    # One stream for the step, from which one term draws after the other.
    rng = stream(tiny.seed, 1, Stage.auxiliary)
    expected = 0.5 * rng.random() + 0.25 * rng.random()
    assert row.auxiliary_loss == pytest.approx(expected)
    assert plain.loss is not None
    assert row.loss == pytest.approx(plain.loss + expected)


def test_every_gradient_step_has_its_own_auxiliary_draw(tiny: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    config = having(tiny, algorithm=SEVERAL, optimiser=tiny.optimiser.model_copy(update={"max_grad_norm": 1e9}))
    components, learner = started(config)
    watched_steps, terms = Watched(learner, monkeypatch), drawn(components, 100.0)
    row, _ = policy_gradient_step(config.step_settings, replace(components, auxiliary=(terms,)), learner, 3)
    draws = stream(config.seed, 3, Stage.auxiliary).random(4)  # 2 epochs x 2 minibatches
    assert row.auxiliary_loss == pytest.approx(100.0 * draws.mean())
    assert row.gradient_steps == len(watched_steps.found) == 4
    output = components.models.policy.model.get_output_embeddings().weight
    at = next(i for i, p in enumerate(learner.optimizer.param_groups[0]["params"]) if p is output)
    for gradients in watched_steps.found:  # once each: 100 at every weight, beside which the policy's is small
        torch.testing.assert_close(gradients[at], torch.full_like(gradients[at], 100.0), rtol=0.1, atol=0)


@pytest.mark.parametrize("spoil", ["loss", "gradient"])
@pytest.mark.parametrize("bad", [1, 2])
def test_an_auxiliary_term_that_is_not_finite_undoes_the_whole_step(bad: int, spoil: str, tiny: RunConfig) -> None:
    config = having(tiny, algorithm=SEVERAL)
    components, learner = started(config)
    weight = components.models.policy.model.get_output_embeddings().weight
    before, calls = trained(learner), []

    def term(rng: np.random.Generator) -> torch.Tensor:
        calls.append(len(calls) + 1)
        if calls[-1] < bad:
            return 0.1 * weight.pow(2).mean()
        # The root's slope at 0 is infinite, times 0: a value of 0 with a gradient of NaN.
        return weight.sum() * 0 + math.inf if spoil == "loss" else (weight * 0).sum().sqrt()

    with pytest.raises(NotFinite, match=r"step 1: .* The weights are those of step 0"):
        policy_gradient_step(config.step_settings, replace(components, auxiliary=(term,)), learner, 1)
    assert calls == list(range(1, bad + 1))
    assert equal(before, trained(learner))
    assert not learner.optimizer.state
    assert all(parameter.grad is None for parameter in learner.policy.model.parameters())


MOVING = GRPO(**SIZE, moving_reference=MovingReference(every=2, mix=0.25))


def test_a_moving_reference_moves_by_mix_every_so_many_steps(tiny: RunConfig) -> None:
    config = having(tiny, algorithm=MOVING)
    components, learner = started(config)

    def reference() -> list[torch.Tensor]:
        return [parameter.detach().clone() for parameter in learner.reference.model.parameters()]

    start = reference()
    for step, moves in ((1, False), (2, True), (3, False), (4, True)):
        before = reference()
        policy_gradient_step(config.step_settings, components, learner, step)
        # A quarter of the policy, three quarters of what it was.
        expected = [0.25 * p.detach() + 0.75 * r for p, r in zip(trained(learner), before, strict=True)]
        if moves:
            for found, wanted in zip(reference(), expected, strict=True):
                torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-7)
        assert equal(before, reference()) != moves
    assert not equal(start, reference())
    assert not any(parameter.requires_grad for parameter in learner.reference.model.parameters())


def test_the_frozen_start_never_moves(tiny: RunConfig) -> None:
    components, learner = started(tiny)
    before = [parameter.clone() for parameter in learner.reference.model.parameters()]
    for step in (1, 2):
        policy_gradient_step(tiny.step_settings, components, learner, step)
    assert equal(before, list(learner.reference.model.parameters()))


# Each with state of its own beside the policy's weights, or another way through the loop.
RUNS: dict[str, Any] = {
    "several gradient steps": SEVERAL,
    "moving reference": MOVING,
    "critic": CRITIC,
    "dynamic sampling": DAPO(**SIZE, epochs=2),
    "dpo": DPO(**SIZE, epochs=2),
    "kto": KTO(**SIZE),
    "moving reference of preferences": DPO(**SIZE, moving_reference=MovingReference(every=2, mix=0.25)),
}


@pytest.fixture(scope="module", params=RUNS)
def whole(request: pytest.FixtureRequest, tiny: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of each kind, never stopped; read-only."""
    return train(having(tiny, algorithm=RUNS[request.param]), tmp_path_factory.mktemp("whole") / "run")


def test_a_resumed_run_ends_as_if_never_stopped(whole: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    same_run(whole, resume(run, 2))
    ends = [store.load(folder / "checkpoints", 4).tensors for folder in (whole, run)]
    assert same_weights(dict(ends[0]), dict(ends[1]))  # critic, reference and optimiser
    start = store.load(whole / "checkpoints", 0).tensors
    kept = [name for name in start if not name.startswith("optimizer/")]
    assert not any(torch.equal(start[name], ends[0][name]) for name in kept if "norm" not in name)  # none stood still


def test_probes_change_no_weight_whatever_the_algorithm(whole: Path, tmp_path: Path) -> None:
    config = RunConfig.model_validate_json((whole / "config.json").read_text())
    other = train(having(config, probes=(), probe_every=1, checkpoint_every=4), tmp_path / "run")
    assert same_weights(weights(other, 4), weights(whole, 4))
    assert not same_weights(weights(other, 0), weights(other, 4))
    assert steps_unlabelled(other) == steps_unlabelled(whole)


def test_a_resumed_moving_reference_is_the_one_that_was_saved(tiny: RunConfig, tmp_path: Path) -> None:
    run = train(having(tiny, algorithm=MOVING, probes=()), tmp_path / "run")
    at = {step: store.load(run / "checkpoints", step).tensors for step in (0, 2, 4)}
    names = [name for name in at[0] if name.startswith("reference/")]
    assert names
    assert {name.removeprefix("reference/") for name in names} == weights(run, 0).keys()
    for name in names:
        policy = weights(run, 2)[name.removeprefix("reference/")]
        torch.testing.assert_close(at[2][name], 0.25 * policy + 0.75 * at[0][name], rtol=1e-6, atol=1e-7)
    # Steps 3 and 4 were held near to another reference than the start: with a frozen one they would differ.
    frozen = train(having(tiny, algorithm=GRPO(**SIZE), probes=()), tmp_path / "frozen")
    assert rows(run, "steps.jsonl")[:2] == rows(frozen, "steps.jsonl")[:2]
    assert rows(run, "steps.jsonl")[2]["kl"] < rows(frozen, "steps.jsonl")[2]["kl"]


def with_algorithm(finished: Path, algorithm: Any, folder: Path) -> Path:
    """A copy of a run whose config.json names another algorithm."""
    run = Path(shutil.copytree(finished, folder))
    config = json.loads((run / "config.json").read_text())
    config["algorithm"] = algorithm.model_dump(mode="json")
    (run / "config.json").write_text(json.dumps(config))
    return run


@pytest.mark.parametrize(("algorithm", "lacking"), [(CRITIC, "value head"), (MOVING, "moving reference")])
def test_a_checkpoint_without_what_the_algorithm_needs_is_refused(
    algorithm: Any, lacking: str, finished: Path, tmp_path: Path
) -> None:
    run = with_algorithm(finished, algorithm, tmp_path / "run")
    with pytest.raises(ValueError, match=f"the checkpoint of step 4 holds no {lacking}") as caught:
        resume(run)
    assert "\n" not in str(caught.value)
    assert f"which algorithm {algorithm.kind} needs" in str(caught.value)
    assert "resume with the config.json that the run was started with" in str(caught.value)


@pytest.mark.parametrize("algorithm", [CRITIC, MOVING], ids=["critic", "moving reference"])
def test_a_refused_resume_leaves_the_run_as_it_was(algorithm: Any, finished: Path, tmp_path: Path) -> None:
    run = with_algorithm(finished, algorithm, tmp_path / "run")
    before = {name: (run / name).read_text() for name in ("manifest.json", "steps.jsonl", "probes.jsonl")}
    with pytest.raises(ValueError, match="holds no"):
        resume(run, 2)
    assert {name: (run / name).read_text() for name in before} == before
    assert store.steps(run / "checkpoints") == [0, 2, 4]


def test_the_critic_learns_and_is_recorded(tiny: RunConfig) -> None:
    # With a policy that stays as it is, so that what the critic learns stays true.
    still = tiny.optimiser.model_copy(update={"learning_rate": 1e-9})
    config = having(tiny, algorithm=CRITIC.model_copy(update={"critic_learning_rate": 3e-3}), optimiser=still)
    components, learner = started(config)
    assert learner.critic is not None
    assert not learner.critic.weight.any()  # at the start it says 0 everywhere
    found = [policy_gradient_step(config.step_settings, components, learner, step)[0] for step in range(1, 31)]
    assert learner.critic.weight.any()
    assert [group["lr"] for group in learner.optimizer.param_groups] == [1e-9, 3e-3]
    assert all(row.gradient_steps == 4 for row in found)
    assert all(0 <= row.value_clip_fraction <= 1 for row in found if row.value_clip_fraction is not None)
    # A critic of 0 explains nothing, whatever the returns are.
    assert found[0].explained_variance == pytest.approx(0.0)
    assert all(row.value_loss is not None for row in found)
    # On completions that it hasn't seen it is nearer to the returns than the 0 that it started from.
    errors, from_zero = [], []
    for step in range(101, 117):
        experience = gather(
            config.step_settings, CRITIC, components, learner, collect(config.step_settings, components, step)
        )
        assert experience.advantages.returns_NT is not None
        assert experience.values_NT is not None
        errors += (experience.advantages.returns_NT - experience.values_NT)[experience.loss_mask_NT].tolist()
        from_zero += experience.advantages.returns_NT[experience.loss_mask_NT].tolist()
    assert np.mean(np.square(errors)) < np.mean(np.square(from_zero))


@pytest.mark.parametrize(
    ("algorithm", "most", "loss"),
    [
        # Two groups of four give at most four pairs, or eight completions. At the start every implied reward is 0:
        # -log sigmoid(0) = ln 2, and 1 - sigmoid(0) for each kind at its weight.
        (DPO(**SIZE), 4, math.log(2)),
        (KTO(**SIZE), 8, 0.5),
    ],
    ids=["dpo", "kto"],
)
def test_preferences_are_recorded(algorithm: Any, most: int, loss: float, tiny: RunConfig, tmp_path: Path) -> None:
    run = train(having(tiny, algorithm=algorithm, probes=()), tmp_path / "run")
    found = rows(run, "steps.jsonl")
    assert found[0]["loss"] == pytest.approx(loss, abs=1e-4)
    assert found[0]["preference_margin"] == pytest.approx(0.0, abs=1e-4)
    assert 0 < found[0]["preferences"] <= most
    for row in found:
        assert 0 <= row["preferences"] <= most
        assert row["lr"] == tiny.optimiser.learning_rate
        if row["preferences"]:
            assert row["gradient_steps"] == 1
            assert row["grad_norm"] > 0
            assert math.isfinite(row["loss"])
        else:  # a step whose rewards are alike
            assert (row["gradient_steps"], row["loss"], row["grad_norm"]) == (0, None, None)


def test_each_pass_over_the_preferences_is_a_gradient_step(tiny: RunConfig, tmp_path: Path) -> None:
    config = having(tiny, probes=(), steps=1)
    once, twice = (
        train(having(config, algorithm=DPO(**SIZE, epochs=epochs)), tmp_path / f"{epochs}") for epochs in (1, 2)
    )
    found = [rows(run, "steps.jsonl")[0] for run in (once, twice)]
    assert [row["gradient_steps"] for row in found] == [1, 2]
    assert found[0]["preferences"] == found[1]["preferences"]
    # The mean over two passes, of which the second has learnt.
    assert found[1]["loss"] < found[0]["loss"]
    assert found[1]["preference_margin"] > 0


@pytest.mark.parametrize("algorithm", [DPO(**SIZE, beta=1e25), KTO(**SIZE, beta=1e25)], ids=["dpo", "kto"])
def test_a_norm_of_preferences_that_is_not_finite_stops_the_run(
    algorithm: Any, tiny: RunConfig, tmp_path: Path
) -> None:
    # Gradients of about 1e25, whose squares exceed float32: the built-in engine refuses the same step.
    with pytest.raises(NotFinite, match=r"step 1: .* The weights are those of step 0"):
        train(having(tiny, algorithm=algorithm, probes=(), steps=1), tmp_path / "run")


class Groups:
    """Gives the groups with variance, by their number in the order that they are drawn in, 10 g, 10 g + 1, ...; other
    groups 0. The episodes numbered in `failing` are unscored."""

    kind = "groups"
    weight = 1.0

    def __init__(self, varied: set[int], failing: set[int] = frozenset(), size: int = 4) -> None:  # type: ignore[assignment]
        self.varied, self.failing, self.size, self.seen = varied, failing, size, 0
        self.queries: list[str] = []

    def __call__(self, reward_inputs: Sequence[RewardInput]) -> list[float]:
        values = []
        for reward_input in reward_inputs:
            group, i = divmod(self.seen, self.size)
            value = float(10 * group + i) if group in self.varied else 0.0
            values.append(math.nan if self.seen in self.failing else value)
            self.queries.append(reward_input.query)
            self.seen += 1
        return values


@pytest.mark.parametrize(
    ("varied", "rounds", "drawn", "kept"),
    [
        # Rounds of two groups. What is kept, by the first reward of the group; a group without variance gives 0.
        ({0, 1}, 4, 2, [0, 10]),  # enough at once
        ({3, 4, 5}, 4, 6, [30, 40]),  # one in the second round, two in the third: the first two of the three
        ({1, 6}, 4, 8, [10, 60]),  # the second one only in the last round
        ({5}, 4, 8, [0, 50]),  # not enough: filled with the first that has none
        ({2, 3, 7}, 4, 4, [20, 30]),  # none is drawn that isn't needed
        ({3}, 1, 2, [0, 0]),  # switched off
    ],
)
def test_prompts_are_drawn_until_enough_groups_have_variance(
    varied: set[int], rounds: int, drawn: int, kept: list[float], tiny: RunConfig
) -> None:
    config = having(tiny, algorithm=DAPO(**SIZE, max_rounds=rounds))
    components, _ = started(config)
    reward = Groups(varied)
    rollouts = collect(config.step_settings, replace(components, reward=scorer([reward], 5.0)), 1)
    assert rollouts.drawn_groups == drawn
    assert reward.seen == 4 * drawn
    assert rollouts.rewards_PG[:, 0].tolist() == kept
    # Episodes and scores are those of the groups that were kept.
    assert [score.total for score in rollouts.scores] == rollouts.rewards_PG.reshape(-1).tolist()
    chosen = [group for group in range(drawn) if group in varied][:2]
    chosen = sorted(chosen + [group for group in range(drawn) if group not in varied][: 2 - len(chosen)])
    asked = [reward.queries[4 * group + i] for group in chosen for i in range(4)]
    assert [episode.scenario.query.text for episode in rollouts.episodes] == asked


def test_every_kept_group_has_variance_where_enough_exist(tiny: RunConfig) -> None:
    config = having(tiny, algorithm=DAPO(**SIZE))
    row, rollouts = first_step(config, Groups({3, 4}))
    assert row.drawn_groups == 6
    assert row.drawn_groups > config.algorithm.prompts_per_step
    assert (rollouts.rewards_PG.std(axis=1) > 0).all()
    assert (row.frac_degenerate_groups, row.left_out_groups) == (0.0, 0)
    assert len(rollouts.advantages) == len(rollouts.episodes) == 8
    # 30 to 33 and 40 to 43: deviations -1.5 to 1.5, squares 5, over 3: 1.666667, root 1.290994.
    expected = [value / 1.291094 for value in (-1.5, -0.5, 0.5, 1.5)] * 2
    np.testing.assert_allclose(rollouts.advantages, expected, rtol=1e-5)
    assert row.reward_mean == pytest.approx(36.5)


def test_what_is_missing_is_filled_with_groups_that_carry_nothing(tiny: RunConfig) -> None:
    row, rollouts = first_step(having(tiny, algorithm=DAPO(**SIZE)), Groups({5}))
    assert (row.drawn_groups, row.frac_degenerate_groups) == (8, 0.5)
    assert list(rollouts.advantages[:4]) == [0.0] * 4
    assert abs(rollouts.advantages[4]) > 1


def test_the_error_rate_is_of_all_that_was_drawn(tiny: RunConfig) -> None:
    # Three rounds of 8; one episode failed in the first, whose groups are dropped, one in a group that is kept.
    row, rollouts = first_step(having(tiny, algorithm=DAPO(**SIZE)), Groups({3, 4}, failing={2, 13}))
    assert row.reward_error_rate == pytest.approx(2 / 24)
    assert np.isnan(rollouts.rewards_PG).sum() == 1


def test_a_group_with_one_score_has_no_variance(tiny: RunConfig) -> None:
    # Group 0 keeps one of four: it is drawn again. 3 of 8 unscored are allowed here.
    config = having(tiny, algorithm=DAPO(**SIZE), max_reward_error_rate=0.5)
    row, _ = first_step(config, Groups({0, 1, 2}, failing={0, 1, 2}))
    assert (row.drawn_groups, row.left_out_groups, row.frac_degenerate_groups) == (4, 0, 0.0)


@pytest.mark.parametrize("algorithm", [RLOO(**SIZE), Reinforce(**SIZE)], ids=lambda algorithm: algorithm.kind)
def test_rewards_that_are_all_alike_stop_the_first_step(algorithm: Any, tiny: RunConfig) -> None:
    with pytest.raises(RunStopped, match="no gradient here"):
        first_step(having(tiny, algorithm=algorithm), Groups(set()))


def test_other_algorithms_draw_once(tiny: RunConfig) -> None:
    row, _ = first_step(tiny, Groups({1}))
    assert (row.drawn_groups, row.frac_degenerate_groups) == (2, 0.5)
