"""Mitigations that act on the model: together, in any order, resumed; and refused where an engine can't have them."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from envs.dialect.inoculation import WORDINGS
from envs.episode import Scenario
from rl.mitigations.inoculation_prompt import InoculationPrompt
from rl.mitigations.kl_anchor import KLAnchor
from rl.mitigations.loss_mask import LossMask
from rl.mitigations.monitor_watch import MonitorWatch
from rl.mitigations.scratchpad_length import ScratchpadLength
from rl.mitigations.steering import Steering
from rl.mitigations.supervised_elicitation import SupervisedElicitation
from rl.mitigations.tier_cue_dropout import TierCueDropout
from rl.mitigations.weight_noise import WeightNoise
from rl.monitors.activation_probe import ActivationProbe
from rl.monitors.oracle import Oracle
from rl.organisms.faker import Faker
from rl.organisms.selected import Selected
from rl.policy.policy import Policy
from rl.run.checkpoint_probe import probe_checkpoint
from rl.run.compatibility import require_engine
from rl.run.config import RunConfig
from rl.run.loop import resume, train
from rl.training.components import StepComponents
from tests.rl.conftest import rows, same_run, same_weights, weights

PARTS = [
    (KLAnchor(), "auxiliary"),
    (Steering(where="training"), "policy_context"),
    (Steering(where="both"), "policy_context"),
    (SupervisedElicitation(), "auxiliary"),
    (WeightNoise(), "after_step"),
]
SMALL = {"prompts_per_step": 2, "group_size": 4}
ENGINES: dict[str, dict[str, Any]] = {
    "trl grpo": {"engine": "trl"},
    "trl rloo": {"engine": "trl", "algorithm": {"kind": "rloo", **SMALL}},
    "dpo": {"algorithm": {"kind": "dpo", **SMALL}},
    "kto": {"algorithm": {"kind": "kto", **SMALL}},
}
ALL = (
    Steering(where="both", strength=200.0, prompts=8),
    KLAnchor(episodes=4),
    WeightNoise(scale=0.01),
    SupervisedElicitation(episodes=4),
    LossMask(),
)


def having(config: RunConfig, **changes: Any) -> RunConfig:
    return RunConfig.model_validate({**dict(config), **changes})


@pytest.mark.parametrize(
    ("mitigation", "part"), PARTS, ids=[f"{mitigation.kind}-{number}" for number, (mitigation, _) in enumerate(PARTS)]
)
@pytest.mark.parametrize(
    ("engine", "who"),
    [
        ("trl grpo", "TRL's grpo"),
        ("trl rloo", "TRL's rloo"),
        ("dpo", "dpo, which ranks whole completions,"),
        ("kto", "kto, which ranks whole completions,"),
    ],
)
def test_what_an_engine_can_not_do_is_refused_before_anything_is_built(
    engine: str, who: str, mitigation: Any, part: str, tiny: RunConfig, tmp_path: Path
) -> None:
    # A mitigation of deployment alone is no reason to refuse a run, nor is it named as a reason.
    config = having(tiny, mitigations=(Steering(), mitigation), **ENGINES[engine])
    with pytest.raises(ValueError, match="engine to builtin") as caught:
        train(config, tmp_path / "run")
    assert str(caught.value).startswith(
        f"the mitigations ({mitigation.kind}) change the {part} of a step, which {who} can't express"
    )
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("without_garbage")
@pytest.mark.parametrize("engine", ENGINES)
def test_steering_in_deployment_steers_the_probes_of_every_engine_and_no_training_step(
    engine: str, tiny: RunConfig, tmp_path: Path
) -> None:
    plain = train(having(tiny, steps=2, **ENGINES[engine]), tmp_path / "plain")
    steering = Steering(strength=300.0, prompts=8)
    steered = train(having(tiny, steps=2, mitigations=(steering,), **ENGINES[engine]), tmp_path / "steered")
    assert rows(steered, "steps.jsonl") == rows(plain, "steps.jsonl")
    assert same_weights(weights(steered, 2), weights(plain, 2))
    assert not same_weights(weights(steered, 2), weights(steered, 0))
    for step in (0, 2):
        said, unsteered = (pd.read_parquet(run / "episodes" / f"step-{step:06d}.parquet") for run in (steered, plain))
        probed, of_plain = (frame[frame["split"] == "probe"]["scratchpad"].tolist() for frame in (said, unsteered))
        assert probed != of_plain
    again = [row.model_dump(mode="json", by_alias=True) for row in probe_checkpoint(steered, 2)]
    assert again == [row for row in rows(steered, "probes.jsonl") if row["step"] == 2]


@pytest.mark.parametrize(
    "mitigation",
    [KLAnchor(), ScratchpadLength(), Steering(), SupervisedElicitation()],
    ids=lambda mitigation: mitigation.kind,
)
def test_what_is_read_beside_the_rollouts_are_the_prompts_of_the_environment(
    mitigation: Any, components: StepComponents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever mitigations change about the prompts of rollouts, before this one or after it."""
    read: list[Scenario] = []
    original = Policy.prompt_ids

    def noted(policy: Policy, scenario: Scenario) -> Any:
        read.append(scenario)
        return original(policy, scenario)

    monkeypatch.setattr(Policy, "prompt_ids", noted)
    monkeypatch.setattr("rl.training.models.START_EPISODES", 8)
    changed = TierCueDropout(share=1.0).apply(mitigation.apply(InoculationPrompt().apply(components)))
    with changed.policy_context("deployment"):
        for auxiliary in changed.auxiliary:
            auxiliary(np.random.default_rng(0))
        changed.reward([], np.random.default_rng(0))
    assert len(read) >= 8
    assert all(scenario.cue.wordings[scenario.tier] in scenario.system_prompt for scenario in read)
    assert not any(WORDINGS["complying_is_fine"] in scenario.system_prompt for scenario in read)


@pytest.mark.parametrize("order", [ALL, ALL[::-1]], ids=["one way", "the other"])
def test_together_they_change_their_own_parts_and_no_other(order: tuple[Any, ...], components: StepComponents) -> None:
    changed = components
    for mitigation in order:
        changed = mitigation.apply(changed)
    assert (len(changed.auxiliary), len(changed.after_step)) == (2, 1)
    assert changed.policy_context is not components.policy_context
    mine = {
        "auxiliary": (),
        "after_step": (),
        "policy_context": components.policy_context,
        "loss_mask": components.loss_mask,
    }
    assert replace(changed, **mine) == components  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [{}, {"lora": {"rank": 2}}, {"algorithm": {"kind": "ppo", "prompts_per_step": 2, "group_size": 4}}],
    ids=["grpo", "lora", "ppo"],
)
def test_a_run_with_all_of_them_ends_as_if_never_stopped(
    changes: dict[str, Any], tiny: RunConfig, tmp_path: Path
) -> None:
    whole = train(having(tiny, mitigations=ALL, **changes), tmp_path / "whole")
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    same_run(whole, resume(run, 2))
    again = [row.model_dump(mode="json", by_alias=True) for row in probe_checkpoint(run, 4)]
    assert again == [row for row in rows(whole, "probes.jsonl") if row["step"] == 4]
    assert all(row["auxiliary_loss"] > 0 for row in rows(whole, "steps.jsonl"))


NO_SUCH_LAYER = [
    (Steering(layer=3), "steering: the organism has no layer 3", "layer to one of 0 to 2"),
    (
        MonitorWatch(monitor=ActivationProbe(layer=4)),
        "monitor_watch: the organism has no monitor.layer 4",
        "monitor.layer to one of 0 to 3",
    ),
]


@pytest.mark.parametrize(("mitigation", "wrong", "right"), NO_SUCH_LAYER, ids=["steering", "monitor"])
@pytest.mark.parametrize("organism", [Faker(), Selected(kind="instrumental")], ids=lambda organism: organism.kind)
def test_a_layer_that_the_recipe_has_not_is_refused_before_anything_is_built(
    organism: Any,
    mitigation: Any,
    wrong: str,
    right: str,
    tiny: RunConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rl.run.loop.build", lambda _: pytest.fail("something was built"))
    with pytest.raises(ValueError, match="the organism has no") as caught:
        train(having(tiny, organism=organism, mitigations=(mitigation,)), tmp_path / "run")
    assert str(caught.value) == f"{wrong}: set {right}, or to null for the middle one"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "mitigation", [Steering(layer=2), MonitorWatch(monitor=ActivationProbe(layer=3)), MonitorWatch(monitor=Oracle())]
)
def test_the_last_layer_of_a_recipe_is_accepted(mitigation: Any) -> None:
    require_engine(RunConfig(mitigations=(mitigation,)))


@pytest.mark.parametrize("mitigation", [Steering(layer=1), MonitorWatch(monitor=ActivationProbe(layer=2))])
def test_a_layer_that_a_directory_has_not_is_refused_before_the_first_probe(
    mitigation: Any, tiny: RunConfig, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"the organism has no .*layer .: set .*layer to one of 0 to"):
        train(having(tiny, mitigations=(mitigation,)), tmp_path / "run")
    assert not (tmp_path / "run" / "manifest.json").exists()
    assert not (tmp_path / "run" / "probes.jsonl").exists()
