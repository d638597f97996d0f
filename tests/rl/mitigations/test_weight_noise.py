"""Noise of the size that it says, on every trained matrix and nothing else, from the generator that it is given."""

import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rl.lora import Lora
from rl.mitigations.weight_noise import WeightNoise
from rl.policy.loading import load_policy
from rl.policy.policy import Policy
from rl.run.build import build, build_components, changed_components, with_adapter
from rl.run.config import RunConfig
from rl.run.loop import resume, train
from rl.training.components import StepComponents
from rl.training.learner import new_learner
from rl.training.step import policy_gradient_step
from tests.rl.conftest import rows, same_run, same_weights, weights


@pytest.fixture
def own(components: StepComponents, organism_path: Path) -> StepComponents:
    """StepComponents with a policy that may be changed."""
    policy = load_policy(organism_path, torch.device("cpu"))
    return replace(components, models=replace(components.models, policy=policy))


def held(policy: Policy) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in policy.model.named_parameters()}


def shaken(components: StepComponents, noise: WeightNoise, seed: int = 0) -> dict[str, torch.Tensor]:
    """Compute the change of each parameter by the noise."""
    before = held(components.models.policy)
    [shake] = noise.apply(components).after_step
    shake(np.random.default_rng(seed))
    return {name: after - before[name] for name, after in held(components.models.policy).items()}


def test_every_matrix_moves_by_scale_times_its_own_standard_deviation(own: StepComponents) -> None:
    before = held(own.models.policy)
    moved = shaken(own, WeightNoise(scale=0.1))
    matrices = {name for name, value in before.items() if value.ndim == 2}
    assert 0 < len(matrices) < len(before)
    for name, change in moved.items():
        if name not in matrices:
            assert not change.any()  # the scales of norms
            continue
        # The spread of n numbers is known to about 1 / sqrt(2n), and no matrix here has fewer than 512: 0.03; 5 sigma.
        assert change.numel() >= 512
        assert float(change.std() / before[name].std()) == pytest.approx(0.1, rel=0.16)
        assert abs(float(change.mean())) < 5 * float(change.std()) / change.numel() ** 0.5
    assert len({round(float(moved[name].flatten()[0]), 9) for name in matrices}) == len(matrices)  # none alike


def test_the_noise_is_that_of_the_generator_matrix_by_matrix(own: StepComponents) -> None:
    before = held(own.models.policy)
    generator = torch.Generator().manual_seed(int(np.random.default_rng(3).integers(2**63)))
    expected = {
        name: 0.1 * float(value.double().std(correction=0)) * torch.randn(value.shape, generator=generator)
        for name, value in before.items()
        if value.ndim == 2
    }
    moved = shaken(own, WeightNoise(scale=0.1), seed=3)
    for name, change in expected.items():
        torch.testing.assert_close(moved[name], change, rtol=1e-3, atol=1e-6)


def test_the_same_generator_shakes_alike_another_doesn_t(own: StepComponents, organism_path: Path) -> None:
    def afresh(seed: int) -> dict[str, torch.Tensor]:
        policy = load_policy(organism_path, torch.device("cpu"))
        return shaken(replace(own, models=replace(own.models, policy=policy)), WeightNoise(), seed)

    first = afresh(0)
    state = torch.random.get_rng_state()
    assert same_weights(first, afresh(0))
    assert not same_weights(first, afresh(1))
    assert torch.equal(torch.random.get_rng_state(), state)  # nobody else's draws are shifted


def test_what_is_not_trained_stays_as_it_is(own: StepComponents) -> None:
    policy = with_adapter(own.models.policy, Lora(rank=2), seed=0)
    with torch.no_grad():
        for name, parameter in policy.model.named_parameters():
            if "lora_B" in name:  # 0 at first, so without any deviation to be shaken by
                parameter.copy_(torch.linspace(-1, 1, parameter.numel()).reshape(parameter.shape))
    moved = shaken(replace(own, models=replace(own.models, policy=policy)), WeightNoise())
    assert {name for name, change in moved.items() if change.any()} == {name for name in moved if "lora_" in name}


def test_a_matrix_without_deviation_stays_finite(own: StepComponents) -> None:
    with torch.no_grad():
        own.models.policy.model.lm_head.weight.fill_(0.5)
    moved = shaken(own, WeightNoise())
    assert not moved["lm_head.weight"].any()
    assert all(change.isfinite().all() for change in moved.values())


def test_two_compose_in_their_order_and_only_what_follows_a_step_is_changed(
    own: StepComponents, tiny: RunConfig
) -> None:
    once = WeightNoise().apply(own)
    twice = WeightNoise(scale=0.5).apply(once)
    assert twice.after_step[:1] == once.after_step
    assert len(twice.after_step) == 2
    assert replace(twice, after_step=()) == own
    assert changed_components(tiny.model_copy(update={"mitigations": (WeightNoise(),)})) == {"after_step"}


def test_two_draw_apart_within_a_step(tiny: RunConfig) -> None:
    seen: list[float] = []
    built = build(tiny)
    acts = (lambda rng: seen.append(rng.random()),) * 2
    components = replace(build_components(tiny, built), after_step=acts)
    policy_gradient_step(
        tiny.step_settings, components, new_learner(tiny.step_settings, built.policy, built.reference), 1
    )
    assert len(set(seen)) == 2


def test_a_resumed_run_is_shaken_alike_and_records_the_step_itself_as_it_was(
    tiny: RunConfig, finished: Path, tmp_path: Path
) -> None:
    config = tiny.model_copy(update={"mitigations": (WeightNoise(scale=0.05),)})
    whole = train(config, tmp_path / "whole")
    same_run(whole, resume(Path(shutil.copytree(whole, tmp_path / "run")), 2))
    found, plain = rows(whole, "steps.jsonl"), rows(finished, "steps.jsonl")
    assert found[0] == plain[0]  # the noise comes after the first step
    assert found[1] != plain[1]
    assert not same_weights(weights(whole, 4), weights(finished, 4))


@pytest.mark.parametrize("scale", [0, -1, float("inf")])
def test_a_scale_that_means_nothing_is_refused(scale: Any) -> None:
    with pytest.raises(ValueError, match="scale"):
        WeightNoise(scale=scale)


def test_it_survives_json_and_pickle() -> None:
    noise = WeightNoise(scale=0.01)
    assert WeightNoise.model_validate_json(noise.model_dump_json()) == noise
    assert pickle.loads(pickle.dumps(noise)) == noise  # noqa: S301 - our own bytes
