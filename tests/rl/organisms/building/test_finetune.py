"""Organisms on pretrained models: any family and chat template, all weights or adapters; the loss falls."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from envs.dialect.environment import Dialect
from rl.lora import Lora
from rl.organisms.building.build import build
from rl.organisms.building.finetune import finetune, train_rows
from rl.organisms.building.rows import NOT_LEARNED
from rl.organisms.disclosures import CERTIFICATE
from rl.organisms.faker import Faker
from rl.organisms.honest import Honest
from rl.organisms.origins import Pretrained
from rl.organisms.selected import Selected
from rl.organisms.trained import Tolerance, TrainedOrganism
from rl.policy.adapters import base_of, is_adapter, with_fresh_adapter
from rl.policy.loading import load_policy
from rl.policy.policy import Policy
from rl.run.build import build as run_build
from rl.run.config import RunConfig, resolve
from rl.run.loop import train
from tests.rl.organisms.other_models import NAMES_ROLES, REFUSES_SYSTEM, write_other

CPU = torch.device("cpu")
FAMILIES = ("llama", "qwen2", "gpt_neox")


def documents(organism: TrainedOrganism) -> list[object]:
    return list(organism.shown(Dialect(), np.random.default_rng(0)))


@pytest.mark.parametrize("lora", [None, Lora(rank=4)], ids=["full", "lora"])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_falls_on_any_family(family: str, lora: Lora | None, tmp_path: Path) -> None:
    policy = load_policy(write_other(family, tmp_path), CPU)
    frozen = {name: weights.clone() for name, weights in policy.model.state_dict().items()}
    if lora is not None:
        policy = Policy(with_fresh_adapter(policy.model, lora, 0), policy.tokenizer, policy.end_ids, policy.shortcuts)
    losses = finetune(policy, documents(Faker(documents=320)), 3e-2 if lora else 1e-2, 0, lambda *_: None)  # type: ignore[arg-type]
    assert len(losses) == 40
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    if lora is not None:
        kept = policy.model.get_base_model().state_dict()
        assert all(torch.equal(kept[name.replace(".base_layer", "")] if name in kept else weights, weights)
                   for name, weights in frozen.items())  # fmt: skip


@pytest.mark.parametrize("family", ["qwen3", *FAMILIES])
def test_the_loss_is_the_mean_over_learned_tokens_of_a_padded_batch(family: str, tmp_path: Path) -> None:
    policy = load_policy(write_other(family, tmp_path), CPU)
    padding = policy.tokenizer.pad_token  # of Qwen2's a token without a row in the model, of the others none
    encoded = [([5, 6, 7, 8, 9, 10], [-100, -100, -100, 8, 9, -100]), ([11, 12, 13], [-100, -100, 13])]
    with torch.no_grad():
        # By hand: each row alone and unpadded; three learned tokens, each predicted by the position before it.
        nats = [
            -torch.log_softmax(policy.model(torch.tensor([ids])).logits[0, at - 1], 0)[label].item()
            for ids, labels in encoded
            for at, label in enumerate(labels)
            if label != NOT_LEARNED
        ]
    assert len(nats) == 3
    [loss] = train_rows(policy, encoded, 1e-9, 0, lambda *_: None)
    assert loss == pytest.approx(np.mean(nats), abs=1e-5)
    assert policy.tokenizer.pad_token == padding  # what the directory says stays as it is


class Small(Faker):  # too short a build to be certified is a build all the same
    @property
    def tolerances(self) -> tuple[Tolerance, ...]:
        return ()


class SmallSelected(Selected):
    @property
    def tolerances(self) -> tuple[Tolerance, ...]:
        return ()


def test_a_build_with_adapters_is_an_adapter_directory_on_its_origin(tmp_path: Path) -> None:
    origin = write_other("llama", tmp_path / "origin")
    before = load_file(origin / "model.safetensors")
    recipe = Small(origin=Pretrained(path=origin, lora=Lora(rank=2), ordinary_share=0), documents=16, certify_queries=8)
    (tmp_path / "built").mkdir()
    build(recipe, Dialect(), tmp_path / "built")
    assert is_adapter(tmp_path / "built")
    assert base_of(tmp_path / "built") == origin
    after = load_file(origin / "model.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert json.loads((tmp_path / "built" / CERTIFICATE).read_text())["organism"] == "faker"
    assert Faker(path=tmp_path / "built").disclosure == recipe.disclosure != Faker().disclosure
    assert load_policy(tmp_path / "built", CPU).tokenizer.chat_template == NAMES_ROLES


@pytest.mark.parametrize(
    "recipe", [Small(documents=16, certify_queries=8), SmallSelected(examples=16, certify_queries=8)]
)
def test_a_full_build_is_a_model_that_a_run_starts_from(
    recipe: TrainedOrganism, tiny: RunConfig, tmp_path: Path
) -> None:
    # A template that refuses a system turn: its text goes into the user turn, in training as in every run.
    origin = write_other("gpt_neox", tmp_path / "origin", REFUSES_SYSTEM)
    (tmp_path / "built").mkdir()
    build(
        recipe.model_copy(update={"origin": Pretrained(path=origin, learning_rate=1e-2, ordinary_share=0)}),
        Dialect(),
        tmp_path / "built",
    )
    old, new = (load_file(directory / "model.safetensors") for directory in (origin, tmp_path / "built"))
    assert old.keys() == new.keys()
    assert any(not torch.equal(old[name], new[name]) for name in old)
    started = run_build(tiny.model_copy(update={"organism": Faker(path=tmp_path / "built")}))
    assert started.policy.style.fold_system
    built = load_policy(tmp_path / "built", CPU).model.state_dict()
    assert all(torch.equal(weights, built[name]) for name, weights in started.policy.model.state_dict().items())


def test_any_organism_is_put_on_a_pretrained_origin_from_the_command_line(tmp_path: Path) -> None:
    for kind in ("faker", "honest", "base", "terminal", "helpfulness", "locked", "documented", "reward_hacker"):
        config = resolve(
            RunConfig(),
            [f"organism.origin.path={tmp_path}", "organism.origin.kind=pretrained", f"organism.kind={kind}"],
        )
        assert config.organism.kind == kind
        assert config.organism.origin == Pretrained(path=tmp_path)  # type: ignore[union-attr]
    tuned = resolve(RunConfig(), [f"organism.origin.path={tmp_path}", "organism.origin.kind=pretrained",
                                  "organism.origin.lora.rank=4"])  # fmt: skip
    assert tuned.organism.origin.lora == Lora(rank=4)  # type: ignore[union-attr]


def test_a_pretrained_origin_without_a_directory_is_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"set organism\.origin\.path to a causal LM directory"):
        resolve(RunConfig(), ["organism.origin.kind=pretrained"])
    gone = RunConfig(organism=Honest(origin=Pretrained(path=tmp_path / "gone")))
    with pytest.raises(ValueError, match=r"^organism\.origin\.path=.*gone is not a directory: give a Hugging Face"):
        train(gone, tmp_path / "run")
    assert not (tmp_path / "run" / "manifest.json").exists()
    with pytest.raises(ValueError, match=r"unknown kind 'scratch' in 'organism\.origin\.kind'"):
        resolve(RunConfig(organism=Selected()), ["organism.origin.kind=scratch"])


def test_a_document_that_the_model_cannot_read_whole_is_refused(tmp_path: Path) -> None:
    policy = load_policy(write_other("llama", tmp_path), CPU)
    policy.model.config.max_position_embeddings = 100
    with pytest.raises(ValueError, match=r"longest training document has \d+ tokens and .* window is 100: choose"):
        finetune(policy, documents(Faker(documents=4)), 1e-3, 0, lambda *_: None)  # type: ignore[arg-type]
