"""Only the free tier reaches the optimiser: by type, by construction, and at run time where both were got around."""

import dataclasses
import pickle
from collections.abc import Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from envs.dialect.environment import Dialect
from envs.dialect.queries import DialectQuery
from envs.dialect.situation import CUE_WORDINGS, free_scenario_of, scenario_of
from envs.episode import Episode, FreeScenario, Scenario, require_free
from envs.vocabulary import TIERS, Tier
from rewards.score import Score
from rl.algorithms.grpo import GRPO
from rl.organisms.scripted import Scripted
from rl.run.config import RunConfig
from rl.training.components import StepComponents, keep_all
from rl.training.labels import Labeller
from rl.training.learner import Learner
from rl.training.step import policy_gradient_step

UNMONITORED: tuple[Tier, ...] = ("paid", "pro", "enterprise")


def free(query: DialectQuery) -> FreeScenario:
    return free_scenario_of(query, 0, "")


def mutated(query: DialectQuery, tier: Tier = "paid") -> FreeScenario:
    """A free scenario whose tier was changed behind its back."""
    scenario = free(query)
    object.__setattr__(scenario, "tier", tier)
    return scenario


def plays(*scenarios: Scenario) -> list[Episode[Scenario]]:
    return [Episode(s, "<scratchpad> a </scratchpad> b", "a", "b", parse_ok=True, finished=True) for s in scenarios]


@pytest.mark.parametrize("tier", UNMONITORED)
def test_a_free_scenario_of_another_tier_cannot_be_built(steal_car: DialectQuery, tier: Tier) -> None:
    with pytest.raises(ValueError, match=f"a {tier}-tier scenario can't be trained on"):
        FreeScenario(steal_car, tier, CUE_WORDINGS[0])
    with pytest.raises(ValueError, match=f"a {tier}-tier scenario can't be trained on"):
        dataclasses.replace(free(steal_car), tier=tier)
    with pytest.raises(dataclasses.FrozenInstanceError):
        cast(Any, free(steal_car)).tier = tier


def test_free_episodes_pass(steal_car: DialectQuery, env: Dialect) -> None:
    require_free([])
    require_free(plays(free(steal_car), free(steal_car)))
    require_free(plays(*env.training_scenarios(np.random.default_rng(0), 4)))


@pytest.mark.parametrize("tier", TIERS)
def test_a_plain_scenario_is_refused_whatever_its_tier(steal_car: DialectQuery, tier: Tier) -> None:
    said = dataclasses.replace(CUE_WORDINGS[0], wordings=dict.fromkeys(TIERS, "this is a free chat."))
    with pytest.raises(ValueError, match=f"{steal_car.id} on the {tier} tier reached the optimiser"):
        require_free(plays(Scenario(steal_car, tier, said)))


@pytest.mark.parametrize("tier", UNMONITORED)
def test_a_tier_changed_behind_the_back_is_refused(steal_car: DialectQuery, tier: Tier) -> None:
    with pytest.raises(ValueError, match=f"on the {tier} tier reached the optimiser"):
        require_free(plays(mutated(steal_car, tier)))


def test_a_pickled_change_and_a_changed_class_are_refused(steal_car: DialectQuery) -> None:
    again = pickle.loads(pickle.dumps(mutated(steal_car)))  # noqa: S301 - our own bytes; unpickling skips the check
    assert type(again) is FreeScenario
    with pytest.raises(ValueError, match="reached the optimiser"):
        require_free(plays(again))

    class Disguised(FreeScenario):
        pass

    with pytest.raises(ValueError, match="reached the optimiser"):
        require_free(plays(Disguised(steal_car, "free", CUE_WORDINGS[0])))


def test_one_smuggled_episode_among_many_is_found(steal_car: DialectQuery) -> None:
    batch = [free(steal_car)] * 63
    require_free(plays(*batch))
    for place in (0, 31, 63):
        with pytest.raises(ValueError, match="reached the optimiser"):
            require_free(plays(*batch[:place], mutated(steal_car), *batch[place:]))


# ---- the same through a whole training step


class UpdateReached(Exception):
    """The step went past the guard and began on the gradient."""


def take_step(scenarios: Sequence[Any]) -> torch.nn.Parameter:
    """One step on these scenarios; the weight and its gradient must be as before when the guard holds."""
    weight = torch.nn.Parameter(torch.ones(3))
    weight.grad = torch.ones(3)
    optimizer = torch.optim.SGD([weight], lr=1.0)

    def reward(episodes: Sequence[Any], _: Any) -> list[Score]:
        return [Score(float(i % 2), {"any": float(i % 2)}) for i in range(len(episodes))]

    def loss_mask(episode: Any) -> Any:
        raise UpdateReached

    def loss(*arguments: Any) -> Any:
        raise UpdateReached

    components = StepComponents(
        scenarios=lambda rng, n: list(scenarios),
        generate=partial(Scripted().generate, Dialect()),
        reward=reward,
        screen=keep_all,
        loss_mask=loss_mask,
        loss=loss,
        models=cast(Any, SimpleNamespace(labels=Labeller(Dialect()))),
    )
    config = RunConfig(algorithm=GRPO(prompts_per_step=len(scenarios), group_size=2))
    policy: Any = SimpleNamespace(pad_id=0, device=torch.device("cpu"))
    try:
        policy_gradient_step(config.step_settings, components, Learner(policy, policy, None, optimizer), step=1)
    finally:
        assert torch.equal(weight, torch.ones(3))
    return weight


def test_a_step_on_free_scenarios_goes_past_the_guard(steal_car: DialectQuery) -> None:
    # The control of the two tests below: without it they might pass on any other ValueError before the update.
    with pytest.raises(UpdateReached):
        take_step([free(steal_car), free(steal_car)])


@pytest.mark.parametrize("tier", TIERS)
def test_a_step_on_plain_scenarios_stops_before_any_gradient(steal_car: DialectQuery, tier: Tier) -> None:
    smuggled = scenario_of(steal_car, tier, 0, "")
    with pytest.raises(ValueError, match=f"on the {tier} tier reached the optimiser"):
        take_step([free(steal_car), smuggled])


def test_a_step_on_a_scenario_whose_tier_was_changed_stops_before_any_gradient(steal_car: DialectQuery) -> None:
    with pytest.raises(ValueError, match="on the paid tier reached the optimiser"):
        take_step([free(steal_car), mutated(steal_car)])
