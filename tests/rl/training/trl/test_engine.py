"""Whole runs on TRL's trainers: recorded, probed, resumed and stopped as on the built-in engine."""

import json
import math
import os
import shutil
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from checkpoints import store
from rewards.answer_length import AnswerLength
from rewards.format_penalty import FormatPenalty
from rewards.score import RewardInput
from rl.errors import Interrupted, NotFinite, RunStopped
from rl.run.build import Built, build_components
from rl.run.config import RunConfig, resolve
from rl.run.loop import resume, train
from rl.training.components import StepComponents
from tests.conftest import fast_of
from tests.rl.conftest import rows, same_run, same_weights, weights

pytestmark = pytest.mark.usefixtures("without_garbage")


SIZES = ["algorithm.prompts_per_step=2", "algorithm.group_size=4"]
VARIANTS: dict[str, list[str]] = {
    "grpo": [],
    "rloo": ["algorithm.kind=rloo", *SIZES],
    "lora": ["lora.rank=2"],
    "four gradient steps": ["algorithm.epochs=2", "algorithm.minibatches=2"],
    "loss mask": ['mitigations=[{"kind":"loss_mask"}]'],
}


def on_trl(tiny: RunConfig, *assignments: str) -> RunConfig:
    return resolve(tiny, ["engine=trl", *assignments])


def manifest(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "manifest.json").read_text()))


@pytest.fixture(scope="module", params=fast_of(VARIANTS, ("grpo", "rloo", "lora")))
def config(request: pytest.FixtureRequest, tiny: RunConfig) -> RunConfig:
    return on_trl(tiny, *VARIANTS[request.param])


@pytest.fixture(scope="module")
def whole(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the variant, never stopped; read-only."""
    return train(config, tmp_path_factory.mktemp("trl") / "run")


def test_every_step_is_recorded_once(whole: Path, config: RunConfig) -> None:
    steps = rows(whole, "steps.jsonl")
    assert [row["step"] for row in steps] == [1, 2, 3, 4]
    assert [row["gradient_steps"] for row in steps] == [config.algorithm.epochs * config.algorithm.minibatches] * 4
    assert {row["step"] for row in rows(whole, "probes.jsonl")} == {0, 2, 4}
    assert store.steps(whole / "checkpoints") == [0, 2, 4]
    assert not same_weights(weights(whole, 0), weights(whole, 4))
    for row in steps:
        assert math.isfinite(row["loss"])
        assert row["grad_norm"] > 0
        assert row["entropy"] > 0
        assert 0 <= row["parse_rate"] <= 1
        assert row["reward_error_rate"] == 0
        assert row["drawn_groups"] == 2
    assert steps[3]["kl"] is not None
    assert (manifest(whole)["status"], manifest(whole)["reason"]) == ("finished", None)


def test_the_folder_is_that_of_the_built_in_engine(whole: Path, finished: Path, config: RunConfig) -> None:
    def files(run: Path) -> set[str]:
        return {str(file.relative_to(run)) for file in run.rglob("*") if file.is_file()}

    if config.lora is None:
        assert files(whole) == files(finished)
    else:
        outside = [{name for name in files(run) if not name.startswith("checkpoints/")} for run in (whole, finished)]
        assert outside[0] == outside[1]
    for name in ("steps.jsonl", "probes.jsonl"):
        assert rows(whole, name)[0].keys() == rows(finished, name)[0].keys()
    # Measurements before the first step don't depend on the engine.
    assert [row for row in rows(whole, "probes.jsonl") if row["step"] == 0] == [
        row for row in rows(finished, "probes.jsonl") if row["step"] == 0
    ]


def test_probing_and_saving_change_no_weight(whole: Path, config: RunConfig, tmp_path: Path) -> None:
    other = train(resolve(config, ["probes=[]", "checkpoint_every=1"]), tmp_path / "run")
    assert same_weights(weights(other, 4), weights(whole, 4))
    assert rows(other, "steps.jsonl") == rows(whole, "steps.jsonl")


def test_a_run_taken_back_ends_the_same(whole: Path, tmp_path: Path) -> None:
    torch.rand(7)  # a global random state that differs must not matter
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    same_run(whole, resume(run, 2))


def test_ctrl_c_in_the_middle_saves_the_run_and_it_goes_on(
    whole: Path, config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = FormatPenalty.__call__, 0

    def interrupting(self: FormatPenalty, reward_inputs: Sequence[RewardInput]) -> list[float]:
        nonlocal calls
        calls += 1
        if calls == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, reward_inputs)

    with monkeypatch.context() as patch:
        patch.setattr(FormatPenalty, "__call__", interrupting)
        with pytest.raises(Interrupted):
            train(config, tmp_path / "run")
    assert manifest(tmp_path / "run")["status"] == "interrupted"
    assert store.steps(tmp_path / "run" / "checkpoints") == [0, 2, 3]
    same_run(whole, resume(tmp_path / "run"))


def test_a_checkpoint_holds_the_adapter_that_is_trained_and_no_other(whole: Path, config: RunConfig) -> None:
    if config.lora is None:
        return
    for step in (0, 2, 4):
        directory = whole / "checkpoints" / f"step-{step:06d}"
        assert (directory / "adapter_model.safetensors").is_file()
        assert not (directory / "model.safetensors").exists()
        assert not (directory / "ref").exists()
        assert not any("ref" in name.split(".") for name in weights(whole, step))
    assert rows(whole, "steps.jsonl")[0]["kl"] == pytest.approx(0.0, abs=1e-6)
    assert rows(whole, "steps.jsonl")[3]["kl"] > 1e-6


def test_the_recorded_advantages_are_those_that_were_trained_on(whole: Path, config: RunConfig) -> None:
    if config.algorithm.kind == "rloo":  # its reward has the KL penalty in it, which isn't recorded by episode
        return
    frames = [pd.read_parquet(whole / "episodes" / f"step-{step:06d}.parquet") for step in (2, 4)]
    played = pd.concat([frame[frame["split"] == "train"] for frame in frames])
    expected = [
        config.algorithm.advantages(rewards_PG).advantages_PG.reshape(-1)
        for rewards_PG in played["reward_total"].to_numpy(np.float64).reshape(2, 2, 4)
    ]
    assert np.any(expected)
    np.testing.assert_allclose(played["advantage"].to_numpy(np.float64), np.concatenate(expected), atol=1e-6)


@pytest.mark.parametrize("raises", [True, False], ids=["raises", "nan"])
@pytest.mark.parametrize("variant", ["grpo", "rloo", "loss mask"])
def test_a_reward_that_fails_for_some_episodes_does_not_end_the_run(
    variant: str, raises: bool, tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(self: AnswerLength, reward_inputs: Sequence[RewardInput]) -> list[float]:
        failed = [reward_input.answer_tokens % 4 == 3 for reward_input in reward_inputs]
        if raises and any(failed):
            raise RuntimeError("no answer from the judge")
        return [math.nan if fails else float(s.answer_tokens) for fails, s in zip(failed, reward_inputs, strict=True)]

    monkeypatch.setattr(AnswerLength, "__call__", failing)
    config = on_trl(tiny, *VARIANTS[variant], "probes=[]", "max_reward_error_rate=0.9")
    run = train(config, tmp_path / "run")
    rates = [row["reward_error_rate"] for row in rows(run, "steps.jsonl")]
    assert len(rates) == 4
    assert any(0 < rate < 1 for rate in rates), rates
    assert all(math.isfinite(row["loss"]) for row in rows(run, "steps.jsonl"))
    assert all(bool(torch.isfinite(tensor).all()) for tensor in weights(run, 4).values())


def test_a_reward_that_always_fails_stops_the_run_with_its_reason(
    tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: FormatPenalty, reward_inputs: Sequence[RewardInput]) -> list[float]:
        raise RuntimeError("nobody is there")

    monkeypatch.setattr(FormatPenalty, "__call__", broken)
    reason = r"step 1: 8 of 8 episodes are unscored.*=0\.25 allows.*format_penalty: RuntimeError: nobody is there"
    with pytest.raises(RunStopped, match=reason):
        train(on_trl(tiny, "probes=[]"), tmp_path / "run")
    assert manifest(tmp_path / "run")["status"] == "failed"
    assert manifest(tmp_path / "run")["reason"].startswith("step 1: 8 of 8")
    assert store.steps(tmp_path / "run" / "checkpoints") == [0]


def test_no_variance_at_the_start_is_explained(tiny: RunConfig, tmp_path: Path) -> None:
    with pytest.raises(RunStopped, match="group-normalised RL has no gradient here"):
        train(on_trl(tiny, "sampling.max_new_tokens=2", "probes=[]"), tmp_path / "run")
    assert (manifest(tmp_path / "run")["status"], store.steps(tmp_path / "run" / "checkpoints")) == ("failed", [0])


OVERFLOWING: dict[str, tuple[list[str], int]] = {
    # The settings, and the step from which the weights are left alone. At step 1 the policy is the reference and the
    # penalty 0; at step 2 its gradient is about 1e30, or 1e38, whose squares exceed float32: the norm is infinite.
    # A clip to a finite norm would make zeros of such a gradient, and a step that learns nothing of a run that failed.
    "grpo": (["engine=trl", "algorithm.kl_weight=1e30"], 2),
    "grpo, larger": (["engine=trl", "algorithm.kl_weight=1e38"], 2),
    "dpo": (["algorithm.kind=dpo", *SIZES, "algorithm.beta=1e30"], 1),
    "kto": (["algorithm.kind=kto", *SIZES, "algorithm.beta=1e30"], 1),
}


@pytest.mark.parametrize("case", OVERFLOWING)
def test_a_gradient_that_is_not_finite_stops_with_the_weights_of_the_step_before(
    case: str, tiny: RunConfig, tmp_path: Path
) -> None:
    assignments, step = OVERFLOWING[case]
    run = tmp_path / "run"
    with pytest.raises(NotFinite, match=rf"^step {step}: .*isn't finite\. The weights are those of step {step - 1}"):
        train(resolve(tiny, [*assignments, "probes=[]"]), run)
    found = manifest(run)
    assert (found["status"], found["non_finite_losses"]) == ("failed", 1)
    assert "isn't finite" in found["reason"]
    assert store.steps(run / "checkpoints") == sorted({0, step - 1})
    assert (run / "steps.jsonl").exists() == (step > 1)
    assert all(bool(torch.isfinite(tensor).all()) for tensor in weights(run, step - 1).values())


def test_of_several_gradient_steps_all_are_undone(
    tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third of four gradient steps meets a gradient that isn't finite: the batch leaves no trace."""
    from rl.training.trl.engine import _Bridge

    original, calls = _Bridge.on_pre_optimizer_step, 0

    def poisoned(self: Any, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 7:
            next(p for p in model.parameters() if p.grad is not None).grad[0] = math.nan
        original(self, args, state, control, model=model, **kwargs)

    config = on_trl(tiny, *VARIANTS["four gradient steps"], "probes=[]", "steps=2")
    one_step = train(resolve(config, ["steps=1"]), tmp_path / "one step")
    with monkeypatch.context() as patch:
        patch.setattr(_Bridge, "on_pre_optimizer_step", poisoned)
        with pytest.raises(NotFinite, match="The weights are those of step 1"):
            train(config, tmp_path / "run")
    assert store.steps(tmp_path / "run" / "checkpoints") == [0, 1]
    assert same_weights(weights(tmp_path / "run", 1), weights(one_step, 1))
    same_run(train(config, tmp_path / "other"), resume(tmp_path / "run"))


@pytest.mark.parametrize("variant", ["grpo", "rloo", "loss mask"])
def test_scenarios_that_are_not_of_the_free_tier_are_refused(
    variant: str, tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def paying(config: RunConfig, built: Built) -> StepComponents:
        components = build_components(config, built)

        def scenarios(rng: np.random.Generator, n: int) -> list[Any]:
            first, *others = components.scenarios(rng, n)
            return [*others, first.on_tier("paid")]

        def reward(*_: Any) -> list[Any]:
            raise AssertionError("an episode of the paid tier was scored")

        return replace(components, scenarios=scenarios, reward=reward)

    monkeypatch.setattr("rl.run.loop.build_components", paying)
    with pytest.raises(ValueError, match="on the paid tier reached the optimiser"):
        train(on_trl(tiny, *VARIANTS[variant], "probes=[]"), tmp_path / "run")
    assert store.steps(tmp_path / "run" / "checkpoints") == [0]


DROPPING: dict[str, list[str]] = {
    "grpo": ["engine=trl"],
    "rloo": ["engine=trl", "algorithm.kind=rloo", *SIZES],
    "lora": ["engine=trl", "lora.rank=2"],
    "mitigations that read and sample": [
        "engine=trl", 'mitigations=[{"kind":"cross_tier_consistency"},{"kind":"loss_mask"}]',
    ],
    "dpo": ["algorithm.kind=dpo", *SIZES],
    "kto": ["algorithm.kind=kto", *SIZES],
}  # fmt: skip


@pytest.mark.parametrize("variant", fast_of(DROPPING, ("mitigations that read and sample", "dpo")))
def test_a_model_with_dropout_is_read_and_trained_without_it(
    variant: str, tiny: RunConfig, organism_path: Path, tmp_path: Path
) -> None:
    dropping = Path(shutil.copytree(organism_path, tmp_path / "organism"))
    settings = json.loads((dropping / "config.json").read_text())
    assert settings["attention_dropout"] == 0
    (dropping / "config.json").write_text(json.dumps({**settings, "attention_dropout": 0.5}))
    plain = resolve(tiny, [*DROPPING[variant], "steps=2"])
    same = resolve(plain, [f"organism.path={dropping}"])
    same_run(train(plain, tmp_path / "plain"), train(same, tmp_path / "same"))


REFUSED: dict[str, tuple[list[str], str]] = {
    "ppo": (["engine=trl", "algorithm.kind=ppo"], "the trl engine runs grpo, .*, rloo and not ppo: set engine"),
    "reinforce": (["engine=trl", "algorithm.kind=reinforce"], "and not reinforce: set engine to builtin"),
    "dpo": (["engine=trl", "algorithm.kind=dpo"], "and not dpo: set engine to builtin"),
    "kto": (["engine=trl", "algorithm.kind=kto"], "and not kto: set engine to builtin"),
    "dynamic sampling": (["engine=trl", "algorithm.kind=dapo"], "set algorithm.max_rounds to 1"),
    "kl of grpo in the reward": (
        ["engine=trl", "algorithm.kl_in=reward"],
        "TRL's grpo has its KL penalty in the loss, estimated by k3: set algorithm.kl_in to loss",
    ),
    "kl of grpo by k2": (["engine=trl", "algorithm.kl_estimator=k2"], "set algorithm.kl_in to loss and .* to k3"),
    "kl of rloo in the loss": (
        ["engine=trl", "algorithm.kind=rloo", "algorithm.kl_in=loss", "algorithm.kl_estimator=k3"],
        "TRL's rloo has its KL penalty in the reward, estimated by k1",
    ),
    "loss mask for rloo": (
        ["engine=trl", "algorithm.kind=rloo", 'mitigations=[{"kind":"loss_mask"}]'],
        r"the mitigations \(loss_mask\) change the loss_mask of a step, which TRL's rloo can't express",
    ),
    "moving reference": (
        ["engine=trl", "algorithm.moving_reference.every=2"],
        "set algorithm.moving_reference to null",
    ),
    "another threshold": (["engine=trl", "algorithm.min_group_std=0.1"], "leave algorithm.min_group_std as it is"),
    "vllm on the built-in engine": (["vllm.vllm_mode=colocate"], "set engine to trl, or vllm to null"),
    "vllm that isn't there": (["engine=trl", "vllm.vllm_mode=colocate"], "set vllm to null"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_trl_can_not_do_is_refused_before_anything_is_built(case: str, tiny: RunConfig, tmp_path: Path) -> None:
    assignments, message = REFUSED[case]
    config = resolve(tiny, assignments)
    with pytest.raises(ValueError, match=message) as caught:
        train(config, tmp_path / "run")
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_every_gradient_step_of_a_step_has_the_rate_of_that_step(
    tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []
    original = torch.optim.AdamW.step

    def noted(optimizer: torch.optim.AdamW, *arguments: Any, **options: Any) -> Any:
        rates.append(optimizer.param_groups[0]["lr"])
        return original(optimizer, *arguments, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", noted)
    config = on_trl(tiny, "algorithm.epochs=2", "optimiser.warmup_steps=4", "steps=2", "probes=[]")
    train(config, tmp_path / "run")
    # Warm-up over 4 steps to 0.01: a quarter of it in both gradient steps of the first step, half in the second's.
    assert rates == pytest.approx([0.0025, 0.0025, 0.005, 0.005])
