"""The declarations of every mitigation are held against its acts."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from envs.episode import Episode, FollowUp, FreeScenario
from envs.vocabulary import ARMS
from rl.mitigations import Mitigation
from rl.mitigations.interrogation import Interrogation
from rl.mitigations.mitigation import MitigationBase, MonitoredMitigation
from rl.mitigations.scratchpad_length import ScratchpadLength
from rl.mitigations.steering import Steering
from rl.monitors.activation_probe import ActivationProbe
from rl.monitors.oracle import Oracle
from rl.run.config import RunConfig
from rl.run.episode_rows import run_schema
from rl.run.overrides import members
from rl.training.components import Situation, StepComponents
from tests.rl.mitigations.conftest import ENV

MEMBERS: list[Any] = members(Mitigation)
# The defaults, and settings under which a mitigation declares something else.
VARIED: list[Any] = [
    *(member() for member in MEMBERS),
    ScratchpadLength(shape="plain"),
    Steering(where="training", layer=0),
    *(member(monitor=ActivationProbe(layer=0)) for member in MEMBERS if issubclass(member, MonitoredMitigation)),
]


def named(mitigation: MitigationBase) -> str:
    return f"{mitigation.kind}-{VARIED.index(mitigation)}"


@pytest.fixture
def played(components: StepComponents) -> Sequence[Episode[FreeScenario]]:
    rng = np.random.default_rng(1)
    return components.generate(ENV.training_scenarios(rng, 16), rng)


@pytest.mark.parametrize("mitigation", VARIED, ids=named)
def test_the_declared_components_are_those_that_it_changes(mitigation: Any, components: StepComponents) -> None:
    changed = mitigation.apply(components)
    found = {
        part.name for part in fields(StepComponents) if getattr(changed, part.name) != getattr(components, part.name)
    }
    assert found == mitigation.changes
    assert "models" not in found


@pytest.mark.parametrize("mitigation", VARIED, ids=named)
def test_scores_keep_the_declared_measures_and_texts_and_the_declared_component(
    mitigation: Any, components: StepComponents, played: Sequence[Episode[FreeScenario]], tiny: RunConfig
) -> None:
    scores = mitigation.apply(components).reward(played, np.random.default_rng(0))
    measures = {name for score in scores for name in score.measures}
    # No measure is missing here: every reply is judged, as the environment labels all of them.
    assert measures == {name for name in mitigation.measures if not name.startswith("unjudged/")}
    assert {name for score in scores for name in score.texts} == set(mitigation.texts)
    paid = {name for score in scores for name in score.components} - {"flat"}
    assert paid == ({mitigation.component} if mitigation.component else set())
    columns = run_schema(tiny.model_copy(update={"mitigations": (mitigation,)})).names
    assert {f"measure/{name}" for name in mitigation.measures} <= set(columns)
    assert all(any(column.endswith(name) for column in columns) for name in (*mitigation.texts, *paid))


@pytest.mark.parametrize("mitigation", VARIED, ids=named)
def test_the_situations_in_which_it_acts_are_those_declared(mitigation: Any, components: StepComponents) -> None:
    """A mitigation that changes more than the policy's context acts in training; only the context reaches probes."""
    entered: list[str] = []
    hooks = components.models.policy.model.model.layers[0]._forward_hooks
    changed = mitigation.apply(components)
    situations: tuple[Situation, ...] = ("training", "deployment")
    for situation in situations:
        before = len(hooks)
        with changed.policy_context(situation):
            entered += [situation] * (len(hooks) > before)
    assert mitigation.steers_deployment == ("deployment" in entered)
    assert mitigation.acts_in_training == ("training" in entered or mitigation.changes != {"policy_context"})


@pytest.mark.parametrize("mitigation", VARIED, ids=named)
def test_layers_and_monitors_are_declared(mitigation: Any) -> None:
    assert mitigation.chosen_layer == (mitigation.layer if isinstance(mitigation, Steering) else None)
    assert mitigation.least_layers == (0 if mitigation.chosen_layer is None else 1 + mitigation.chosen_layer)
    assert mitigation.consulted is (mitigation.monitor if "monitor" in type(mitigation).model_fields else None)


def test_a_monitors_layer_is_declared() -> None:
    assert (ActivationProbe(layer=2).chosen_layer, ActivationProbe(layer=2).least_layers) == (2, 2)
    assert (ActivationProbe().chosen_layer, ActivationProbe().least_layers) == (None, 0)
    assert (Oracle().chosen_layer, Oracle().least_layers) == (None, 0)


@pytest.mark.parametrize("mitigation", [*VARIED, *(Interrogation(arm=arm) for arm in ARMS)])
def test_every_prompt_beyond_the_rollouts_is_declared(
    mitigation: Any,
    components: StepComponents,
    played: Sequence[Episode[FreeScenario]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A reward may read a reply behind another prompt or ask further: such prompts are checked before the run."""
    read: list[Any] = []
    policy = components.models.policy
    original = type(policy).prompt_ids

    def noted(reader: Any, scenario: Any) -> Any:
        read.append(scenario)
        return original(reader, scenario)

    components.models.start_episodes  # noqa: B018 - sampled before: its prompts are those of training
    monkeypatch.setattr(type(policy), "prompt_ids", noted)
    mitigation.apply(components).reward(played, np.random.default_rng(0))
    again = [scenario for episode in played for scenario in mitigation.read_again(episode.scenario)]
    questions = mitigation.further_questions(ENV)
    assert all(scenario in again or scenario.question in questions for scenario in read if is_beyond(scenario))
    beyond = [scenario for scenario in read if is_beyond(scenario)]
    assert bool(beyond) == bool(again or questions)


def is_beyond(scenario: Any) -> bool:
    """True of what is neither a rollout's prompt nor a composed free-tier episode of a monitor."""
    return isinstance(scenario, FollowUp) or scenario.tier != "free"


def test_the_defaults_declare_nothing(components: StepComponents) -> None:
    class Idle(MitigationBase):
        kind: str = "idle"

        def apply(self, components: StepComponents) -> StepComponents:
            return replace(components)

    idle = Idle()
    assert (idle.needs, idle.component, idle.texts, idle.measures) == (frozenset(), None, (), ())
    assert (idle.consulted, idle.least_layers, idle.acts_in_training, idle.steers_deployment) == (None, 0, True, False)
    assert (
        idle.unmet(ENV),
        idle.further_questions(ENV),
        idle.read_again(ENV.training_scenarios(np.random.default_rng(0), 1)[0]),
    ) == (None, (), [])
