"""Runs that train the upper layers alone: what moves, what the optimiser holds, and a resume to the same bits."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rl.mitigations.weight_noise import WeightNoise
from rl.run.build import build
from rl.run.config import RunConfig, resolve
from rl.run.loop import resume, train
from rl.training.learner import new_learner


def upper(tiny: RunConfig, **changes: object) -> RunConfig:
    return tiny.model_copy(update={"upper_layers": 1, "probe_every": 4, **changes})


def weights(run: Path, step: int) -> dict[str, torch.Tensor]:
    return dict(load_file(run / "checkpoints" / f"step-{step:06}" / "model.safetensors"))


def test_a_run_moves_the_upper_layer_alone_and_resumes_to_the_same_bits(tiny: RunConfig, tmp_path: Path) -> None:
    run = train(upper(tiny, mitigations=(WeightNoise(),)), tmp_path / "run")
    first, last = weights(run, 0), weights(run, 4)
    moved = {name for name in first if not torch.equal(first[name], last[name])}
    top = max(name.split(".")[2] for name in first if name.startswith("model.layers."))
    assert moved
    assert all(name.startswith(f"model.layers.{top}.") for name in moved)
    again = resume(Path(shutil.copytree(run, tmp_path / "again")), 2)
    assert all(torch.equal(last[name], found) for name, found in weights(again, 4).items())


def test_the_trl_engine_moves_the_upper_layer_alone(tiny: RunConfig, tmp_path: Path) -> None:
    run = train(upper(tiny, engine="trl", steps=2), tmp_path / "run")
    first, last = weights(run, 0), weights(run, 2)
    moved = {name for name in first if not torch.equal(first[name], last[name])}
    assert moved
    assert len({name.split(".")[2] for name in moved if name.startswith("model.layers.")}) == 1
    assert all(name.startswith("model.layers.") for name in moved)


def test_the_optimiser_holds_the_upper_layer_alone(tiny: RunConfig) -> None:
    config = upper(tiny)
    built = build(config)
    learner = new_learner(config.step_settings, built.policy, built.reference)
    held = {id(parameter) for group in learner.optimizer.param_groups for parameter in group["params"]}
    assert held == {id(parameter) for parameter in built.policy.model.model.layers[-1].parameters()}


def test_upper_layers_that_do_not_fit_are_refused_in_a_line(tiny: RunConfig, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"adapters leave every layer frozen: set lora to null, or upper_layers"):
        resolve(RunConfig(), ["lora.rank=2", "upper_layers=1"])
    with pytest.raises(ValueError, match=r"upper_layers=9 and the model has \d+ decoder layers: set upper_layers to"):
        train(upper(tiny, upper_layers=9), tmp_path / "run")
    with pytest.raises(ValueError, match=r"set origin\.lora to null, or origin\.upper_layers"):
        resolve(RunConfig(), ["organism.origin.kind=pretrained", "organism.origin.path=/x",
                              "organism.origin.lora.rank=2", "organism.origin.upper_layers=1"])  # fmt: skip
