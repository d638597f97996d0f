"""What is loaded has all of its weights, from its checkpoint and nowhere else."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from rl.algorithms.ppo import PPO
from rl.organisms.faker import Faker
from rl.policy.loading import load_policy
from rl.run.config import RunConfig
from rl.run.loop import resume, train
from tests.rl.conftest import Gyges

CPU = torch.device("cpu")
Tensors = dict[str, torch.Tensor]


def rewrite(directory: Path, change: Callable[[Tensors], Tensors]) -> Path:
    file = directory / "model.safetensors"
    save_file(change(load_file(file)), file, {"format": "pt"})
    return directory


@pytest.fixture
def copied(organism_path: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(organism_path, tmp_path / "organism"))


def without(name: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {key: tensor for key, tensor in tensors.items() if name not in key}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("lm_head"), r"lacks weights, which would be drawn at random: lm_head\.weight"),
        (without("q_proj"), r"lacks weights, .*q_proj\.weight"),
        (
            lambda tensors: {key: tensor[:-1] if "q_norm" in key else tensor for key, tensor in tensors.items()},
            r"another shape than its model's: .*q_norm",
        ),
        (
            lambda tensors: {**tensors, "model.layers.7.mlp.up_proj.weight": torch.zeros(2, 2)},
            r"no place: model\.layers\.7\.mlp\.up_proj\.weight",
        ),
    ],
    ids=["no head", "a matrix missing", "another shape", "a layer too many"],
)
def test_weights_that_are_not_the_model_s_are_refused_by_name(
    change: Callable[[Tensors], Tensors], message: str, copied: Path
) -> None:
    rewrite(copied, change)
    with pytest.raises(ValueError, match=message) as caught:
        load_policy(copied, CPU)
    assert "\n" not in str(caught.value)


def test_a_tied_head_is_not_missing(copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": True}))
    rewrite(copied, without("lm_head"))
    policy = load_policy(copied, CPU)
    assert policy.model.lm_head.weight is policy.model.model.embed_tokens.weight


def test_a_run_on_a_headless_checkpoint_ends_before_it_begins(gyges: Gyges, tiny: RunConfig, copied: Path) -> None:
    rewrite(copied, without("lm_head"))
    config = copied.parent / "config.json"
    config.write_text(tiny.model_copy(update={"organism": Faker(path=copied)}).model_dump_json())
    done = gyges("train", str(config))
    assert done.code == 2
    assert len(done.said) == 1
    assert "lacks weights" in done.said[0]
    assert not (copied.parent / "here" / "runs").exists() or not list((copied.parent / "here" / "runs").iterdir())


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: {key: tensor for key, tensor in tensors.items() if key != "value_head/bias"},
        lambda tensors: {
            key: tensor[:, 1:] if key == "value_head/weight" else tensor for key, tensor in tensors.items()
        },
    ],
    ids=["missing", "another shape"],
)
def test_a_critic_without_its_weights_is_refused_by_name(
    change: Callable[[Tensors], Tensors], tiny: RunConfig, tmp_path: Path
) -> None:
    from checkpoints import checksums

    config = tiny.model_copy(update={"algorithm": PPO(prompts_per_step=2, group_size=4, minibatches=1)})
    folder = train(config, tmp_path / "run")
    checkpoint = folder / "checkpoints" / "step-000002"
    file = checkpoint / "trainer" / "optimizer.safetensors"
    save_file({key: tensor.contiguous() for key, tensor in change(load_file(file)).items()}, file)
    checksums.write(checkpoint)
    with pytest.raises(ValueError, match=r"the value head in the checkpoint of step 2 isn't this run's: (bias|weight)"):
        resume(folder, from_step=2)
