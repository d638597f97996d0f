"""Steering subtracts the difference of two means at one layer, where it says, and leaves no trace."""

import pickle
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from envs.dialect.environment import Dialect
from envs.episode import Cue, FreeScenario, Scenario
from rl.mitigations.steering import Steering
from rl.policy.loading import load_policy
from rl.policy.policy import Policy
from rl.policy.sampler import sampler
from rl.run.build import changed_components
from rl.run.checkpoint_probe import probe_checkpoint
from rl.run.config import RunConfig
from rl.run.loop import resume, train
from rl.streams import Stage, stream
from rl.training.components import PolicyContext, Situation, StepComponents
from tests.rl.conftest import rows, same_run, same_weights, weights

FAR = 300.0  # times a difference that is small in the tiny policy: enough to change what it says


@pytest.fixture
def apart(components: StepComponents, organism_path: Path) -> StepComponents:
    """StepComponents whose frozen start is another model than the policy, as in a run."""
    start = load_policy(organism_path, torch.device("cpu"))
    return replace(components, models=replace(components.models, load_start=lambda: start))


def handed_on(policy: Policy, scenario: Scenario) -> torch.Tensor:
    """Record the output of the only layer, as the norm reads it, at each position of a prompt, (P, H)."""
    seen: list[torch.Tensor] = []
    hook = policy.model.model.norm.register_forward_pre_hook(lambda module, given: seen.append(given[0][0]))
    with torch.no_grad():
        policy.model(input_ids=torch.from_numpy(policy.prompt_ids(scenario))[None])
    hook.remove()
    return seen[0]


def difference(policy: Policy, env: Dialect, prompts: int) -> torch.Tensor:
    """The direction by its definition: one unpadded prompt at a time, the tier word exchanged in the text."""
    free = env.training_scenarios(stream(0, 0, Stage.start), prompts)
    states = []
    for scenario in free:
        form, said = scenario.system_prompt.rsplit("think in", 1)[0], scenario.system_prompt
        assert form.count("free") == 1 + (env.objective == "present")
        at = form.rindex("free")  # the cue is behind the objective
        paid = Scenario(scenario.query, "paid", Cue(0, True, {"paid": f"{said[:at]}paid{said[at + 4 :]}"}))
        states.append(handed_on(policy, scenario)[-1] - handed_on(policy, paid)[-1])
    return torch.stack(states).mean(dim=0)


@pytest.mark.parametrize("strength", [1.0, -0.5, 40.0])
@pytest.mark.parametrize("objective", ["present", "absent"])
def test_the_difference_of_the_means_is_subtracted_at_every_position(
    objective: Any, strength: float, apart: StepComponents, policy: Policy
) -> None:
    env = Dialect(objective=objective)
    apart = replace(apart, models=replace(apart.models, env=env))
    expected = difference(policy, env, 20)
    assert expected.norm() > 1e-4
    policy_context = Steering(strength=strength, prompts=20).apply(apart).policy_context
    [one, other] = env.held_out_scenarios(np.random.default_rng(3), "probe", "harmful", 1, ("free", "paid"))
    for scenario in (one, other):  # on every tier alike
        plain = handed_on(policy, scenario)
        with policy_context("deployment"):
            steered = handed_on(policy, scenario)
        torch.testing.assert_close(plain - steered, strength * expected.expand_as(plain), rtol=0, atol=1e-5)


def test_strength_1_moves_the_mean_of_monitored_prompts_onto_that_of_unmonitored_ones(
    apart: StepComponents, policy: Policy
) -> None:
    policy_context = Steering(prompts=12).apply(apart).policy_context
    env = apart.models.env
    free = env.training_scenarios(stream(0, 0, Stage.start), 12)
    plain = torch.stack([handed_on(policy, scenario)[-1] for scenario in free]).mean(dim=0)
    with policy_context("deployment"):
        steered = torch.stack([handed_on(policy, scenario)[-1] for scenario in free]).mean(dim=0)
    unmonitored = plain - difference(policy, env, 12)
    torch.testing.assert_close(steered, unmonitored, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("where", "steered"),
    [("deployment", ["deployment"]), ("training", ["training"]), ("both", ["training", "deployment"])],
)
def test_it_steers_where_it_says_and_nowhere_else(
    where: Any, steered: list[str], apart: StepComponents, policy: Policy
) -> None:
    steering = Steering(where=where, strength=FAR)
    components = steering.apply(apart)
    assert steering.steers_deployment == ("deployment" in steered)
    scenarios = apart.models.env.training_scenarios(np.random.default_rng(1), 4)
    situations: tuple[Situation, Situation] = ("training", "deployment")

    def said() -> list[str]:
        return [
            episode.text for episode in sampler(policy, components.models.sampling)(scenarios, np.random.default_rng(0))
        ]

    plain = said()
    for situation in situations:
        with components.policy_context(situation):
            assert (said() != plain) == (situation in steered)
        assert said() == plain


def test_the_direction_is_read_once_with_the_start_and_nothing_of_the_paid_tier_is_sampled(
    apart: StepComponents, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[str, ...]] = []
    models = apart.models
    original = Policy.prompt_ids

    def prompt_ids(self: Policy, scenario: Scenario) -> Any:
        assert self is models.start
        assert type(scenario) is (FreeScenario if scenario.tier == "free" else Scenario)
        read.append((scenario.tier, scenario.query.id))
        return original(self, scenario)

    def grad(self: torch.Tensor, *_: Any, **__: Any) -> None:
        raise AssertionError("nothing is differentiated")

    monkeypatch.setattr(Policy, "prompt_ids", prompt_ids)
    monkeypatch.setattr(torch.Tensor, "backward", grad)
    components = Steering(prompts=6).apply(replace(apart, generate=grad))  # type: ignore[arg-type]
    for _ in range(3):
        with components.policy_context("deployment"):
            pass
    train_queries = {query.id for query in models.env.queries("train", "harmful")}
    tiers = [tier for tier, _ in read]
    assert sorted(tiers) == ["free"] * 6 + ["paid"] * 6
    assert {query for _, query in read} <= train_queries
    assert [query for tier, query in read if tier == "free"] == [query for tier, query in read if tier == "paid"]
    assert all(parameter.grad is None for parameter in models.start.model.parameters())


def test_two_compose_and_what_was_there_stays(components: StepComponents, policy: Policy) -> None:
    """Here the start is the policy itself, so that a direction read while another steers would be another one."""
    entered: list[str] = []

    @contextmanager
    def before(situation: Situation) -> Iterator[None]:
        entered.append(situation)
        yield
        entered.append("left")

    first, second = Steering(strength=30.0, prompts=8), Steering(strength=12.0, prompts=5)
    both = second.apply(first.apply(replace(components, policy_context=before)))
    [scenario] = components.models.env.training_scenarios(np.random.default_rng(3), 1)
    plain, expected = handed_on(policy, scenario), sum(
        steering.strength * difference(policy, components.models.env, steering.prompts) for steering in (first, second)
    )  # fmt: skip
    with both.policy_context("deployment"):
        steered = handed_on(policy, scenario)
    torch.testing.assert_close(plain - steered, expected.expand_as(plain), rtol=0, atol=2e-5)  # type: ignore[union-attr]
    assert entered == ["deployment", "left"]
    with both.policy_context("training"):
        assert torch.equal(handed_on(policy, scenario), plain)
    assert entered == ["deployment", "left", "training", "left"]


def test_the_hook_is_gone_after_an_exception(apart: StepComponents, policy: Policy) -> None:
    components = Steering(where="both").apply(apart)
    before = dict(policy.model.model.layers[0]._forward_hooks)  # Transformers leaves one where states were asked for

    def fails(policy_context: PolicyContext) -> None:
        with policy_context("training"):
            assert len(policy.model.model.layers[0]._forward_hooks) == len(before) + 1
            raise KeyError

    with pytest.raises(KeyError):
        fails(components.policy_context)
    assert dict(policy.model.model.layers[0]._forward_hooks) == before


def test_only_the_acting_is_changed_and_nothing_is_read_before_it_is_needed(
    components: StepComponents, tiny: RunConfig
) -> None:
    changed = Steering().apply(components)
    assert replace(changed, policy_context=components.policy_context) == components
    assert changed.policy_context is not components.policy_context
    assert changed_components(having(tiny)) == {"policy_context"}  # applied with placeholders in place of the models


def having(config: RunConfig, **changes: Any) -> RunConfig:
    return RunConfig.model_validate({**dict(config), "mitigations": (Steering(strength=FAR),), **changes})


def test_a_layer_that_is_not_there_is_refused_in_one_line(components: StepComponents) -> None:
    policy_context = Steering(layer=3).apply(components).policy_context
    with pytest.raises(ValueError, match="no layer 3 to steer at: choose one of 0 to 0"), policy_context("deployment"):
        pass


@pytest.mark.parametrize(
    "settings", [{"strength": 0}, {"strength": float("nan")}, {"layer": -1}, {"prompts": 0}, {"where": "probes"}]
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        Steering.model_validate(settings)


def test_it_survives_json_and_pickle() -> None:
    steering = Steering(where="both", layer=2, strength=-1.5, prompts=7)
    assert Steering.model_validate_json(steering.model_dump_json()) == steering
    assert pickle.loads(pickle.dumps(steering)) == steering  # noqa: S301 - our own bytes


@pytest.fixture(scope="module")
def run_of(tiny: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Any], Path]:
    """A run steered somewhere, trained once."""
    done: dict[str, Path] = {}

    def run(where: Any) -> Path:
        if where not in done:
            config = having(tiny, mitigations=(Steering(where=where, strength=FAR),))
            done[where] = train(config, tmp_path_factory.mktemp(where) / "run")
        return done[where]

    return run


def probed(run: Path, step: int) -> list[str]:
    """Read the policy's scratchpads for the probes of a step."""
    frame = pd.read_parquet(run / "episodes" / f"step-{step:06d}.parquet")
    texts: list[str] = frame[frame["split"] == "probe"]["scratchpad"].tolist()
    assert texts
    return texts


def test_steering_in_deployment_leaves_training_as_it_is_bit_for_bit(
    finished: Path, run_of: Callable[[Any], Path]
) -> None:
    run = run_of("deployment")
    assert rows(run, "steps.jsonl") == rows(finished, "steps.jsonl")
    assert same_weights(weights(run, 4), weights(finished, 4))
    for step in (0, 2, 4):
        assert probed(run, step) != probed(finished, step)


def test_steering_in_training_leaves_the_probes_of_the_start_as_they_are(
    finished: Path, run_of: Callable[[Any], Path]
) -> None:
    run = run_of("training")
    at_start = [[row for row in rows(folder, "probes.jsonl") if row["step"] == 0] for folder in (run, finished)]
    assert at_start[0] == at_start[1]
    assert probed(run, 0) == probed(finished, 0)
    assert rows(run, "steps.jsonl") != rows(finished, "steps.jsonl")
    assert same_weights(weights(run, 0), weights(finished, 0))  # what steers is in no checkpoint


def test_a_resumed_run_and_a_checkpoint_probed_again_are_steered_alike(
    run_of: Callable[[Any], Path], tmp_path: Path
) -> None:
    whole = run_of("both")
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    same_run(whole, resume(run, 2))
    again = [row.model_dump(mode="json", by_alias=True) for row in probe_checkpoint(run, 4)]
    assert again == [row for row in rows(run, "probes.jsonl") if row["step"] == 4]


def test_the_policy_that_is_steered_in_training_is_the_one_that_learns(run_of: Callable[[Any], Path]) -> None:
    """Sampled, read again and updated under the same hook: the first gradient step is on-policy."""
    first = rows(run_of("both"), "steps.jsonl")[0]
    assert first["ratio_mean"] == pytest.approx(1.0, abs=1e-5)
    assert first["ratio_max"] == pytest.approx(1.0, abs=1e-4)
    assert first["grad_norm"] > 0
