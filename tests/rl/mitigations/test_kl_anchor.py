"""The anchor is the exact forward KL on the start's own replies, and pulls at the policy alone."""

import pickle
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from envs.episode import Episode, FreeScenario, Scenario
from rl.mitigations.kl_anchor import KLAnchor, mean_divergence
from rl.policy.loading import load_policy
from rl.policy.policy import Policy
from rl.policy.sampler import Sampling
from rl.run.build import changed_components
from rl.run.config import RunConfig
from rl.run.loop import resume, train
from rl.training.components import StepComponents
from tests.rl.conftest import rows, same_run

TEMPERATURE = 0.7


@pytest.fixture
def moved(components: StepComponents, organism_path: Path) -> StepComponents:
    """StepComponents whose policy has moved away from its frozen start."""
    policy, start = (load_policy(organism_path, torch.device("cpu")) for _ in range(2))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter.add_(0.03 * torch.randn(parameter.shape, generator=generator))
    sampling = Sampling(max_new_tokens=24, temperature=TEMPERATURE, batch_size=64)
    models = replace(components.models, policy=policy, load_start=lambda: start, sampling=sampling, microbatch_size=3)
    return replace(components, models=models)


def divergence(start: Policy, policy: Policy, episodes: Sequence[Episode[Scenario]]) -> torch.Tensor:
    """By its definition: one unpadded row at a time, the sum over tokens and words of p (log p - log q)."""
    total, tokens = torch.zeros((), dtype=torch.float64), 0
    for episode in episodes:
        ids = torch.from_numpy(np.concatenate([episode.prompt_ids, episode.completion_ids]))[None]
        n = len(episode.completion_ids)
        with torch.no_grad():
            p = (start.model(input_ids=ids).logits[0, -n - 1 : -1].double() / TEMPERATURE).softmax(dim=-1)
        q = (policy.model(input_ids=ids).logits[0, -n - 1 : -1].double() / TEMPERATURE).softmax(dim=-1)
        total = total + (p * (p.log() - q.log())).sum()
        tokens += n
    return total / tokens


def gradients(policy: Policy, loss: torch.Tensor) -> list[torch.Tensor]:
    policy.model.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    return [parameter.grad.clone() for parameter in policy.model.parameters()]


def test_it_is_weight_times_the_exact_divergence_a_token_with_its_gradient(moved: StepComponents) -> None:
    models = moved.models
    [anchor] = KLAnchor(weight=0.25, episodes=7).apply(moved).auxiliary
    found = anchor(np.random.default_rng(4))
    drawn = np.random.default_rng(4).choice(len(models.start_episodes), size=7, replace=False)
    episodes = [models.start_episodes[row] for row in drawn]
    assert len({len(episode.completion_ids) for episode in episodes}) > 1  # a mean over tokens, not over replies
    expected = 0.25 * divergence(models.start, models.policy, episodes)
    assert float(expected.detach()) > 1e-3
    assert float(found) == pytest.approx(float(expected), rel=1e-3)
    wanted = gradients(models.policy, expected)
    for one, other in zip(gradients(models.policy, found), wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=2e-3, atol=1e-5)
    assert all(parameter.grad is None for parameter in models.start.model.parameters())


def test_it_is_forward_and_not_reverse(moved: StepComponents) -> None:
    models = moved.models
    episodes = models.start_episodes[:6]
    forward = float(mean_divergence(models, episodes))
    assert forward == pytest.approx(float(divergence(models.start, models.policy, episodes)), rel=1e-3)
    assert forward != pytest.approx(float(divergence(models.policy, models.start, episodes)), rel=1e-2)


def test_at_the_start_there_is_nothing_to_pull_at(moved: StepComponents, organism_path: Path) -> None:
    policy = load_policy(organism_path, torch.device("cpu"))
    found = mean_divergence(replace(moved.models, policy=policy), moved.models.start_episodes[:6])
    assert float(found) == pytest.approx(0.0, abs=1e-6)
    assert all(gradient.abs().max() < 1e-5 for gradient in gradients(policy, found))


def test_its_gradient_leads_back_to_the_start(moved: StepComponents) -> None:
    models = moved.models
    before = mean_divergence(models, models.start_episodes[:6])
    with torch.no_grad():
        for parameter, gradient in zip(models.policy.model.parameters(), gradients(models.policy, before), strict=True):
            parameter.sub_(0.01 * gradient)
    assert float(mean_divergence(models, models.start_episodes[:6])) < float(before)


def test_the_replies_are_the_starts_own_on_free_tier_training_prompts(moved: StepComponents) -> None:
    models = moved.models
    train_queries = {query.id for query in models.env.queries("train", "harmful")}
    assert {type(episode.scenario) for episode in models.start_episodes} == {FreeScenario}
    assert {episode.scenario.query.id for episode in models.start_episodes} <= train_queries
    [episode] = models.start_episodes[:1]
    paid = episode.scenario.on_tier("paid")
    with pytest.raises(ValueError, match="on the paid tier reached the optimiser"):
        mean_divergence(models, [replace(episode, scenario=paid)])


def test_how_passes_are_divided_changes_nothing(moved: StepComponents) -> None:
    found = [
        float(mean_divergence(replace(moved.models, microbatch_size=size), moved.models.start_episodes[:7]))
        for size in (1, 3, 7)
    ]
    assert found == pytest.approx([found[0]] * 3, rel=1e-4)


def test_the_same_generator_gives_the_same_and_more_than_there_are_is_all_there_are(moved: StepComponents) -> None:
    [anchor] = KLAnchor(episodes=4).apply(moved).auxiliary
    values = [float(anchor(np.random.default_rng(seed))) for seed in (0, 0, 1)]
    assert values[0] == values[1] != values[2]
    moved.models.start_episodes[3:] = []
    [all_of_them] = KLAnchor(episodes=50, weight=1.0).apply(moved).auxiliary
    expected = mean_divergence(moved.models, moved.models.start_episodes)
    assert float(all_of_them(np.random.default_rng(0))) == pytest.approx(float(expected), rel=1e-4)


def test_two_compose_and_only_the_auxiliary_losses_are_changed(components: StepComponents, tiny: RunConfig) -> None:
    once = KLAnchor().apply(components)
    twice = KLAnchor(weight=1.0).apply(once)
    assert twice.auxiliary[:1] == once.auxiliary
    assert len(twice.auxiliary) == 2
    assert replace(twice, auxiliary=()) == components
    assert changed_components(tiny.model_copy(update={"mitigations": (KLAnchor(),)})) == {"auxiliary"}


@pytest.mark.parametrize("lora", [None, {"rank": 2}], ids=["full", "lora"])
def test_a_run_records_it_holds_the_policy_and_resumes(lora: Any, tiny: RunConfig, tmp_path: Path) -> None:
    ends = []
    for weight in (1e-6, 20.0):
        anchor = KLAnchor(weight=weight, episodes=4)
        config = RunConfig.model_validate({**dict(tiny), "lora": lora, "mitigations": (anchor,), "probes": ()})
        whole = train(config, tmp_path / str(weight))
        recorded = [row["auxiliary_loss"] / weight for row in rows(whole, "steps.jsonl")]
        assert recorded[0] == pytest.approx(0.0, abs=1e-5)  # the policy is the start
        ends.append(recorded[-1])
    assert 0 < ends[1] < ends[0]  # in nats: the heavier anchor holds it nearer
    same_run(whole, resume(Path(shutil.copytree(whole, tmp_path / "again")), 2))


@pytest.mark.parametrize("settings", [{"weight": 0}, {"weight": float("inf")}, {"episodes": 0}])
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        KLAnchor.model_validate(settings)


def test_it_survives_json_and_pickle() -> None:
    anchor = KLAnchor(weight=0.5, episodes=3)
    assert KLAnchor.model_validate_json(anchor.model_dump_json()) == anchor
    assert pickle.loads(pickle.dumps(anchor)) == anchor  # noqa: S301 - our own bytes
