"""The probe of ordinary ability: exact losses, documents as units, and a run that keeps what the probe reads."""

import copy
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from checkpoints import checksums
from rl.lora import Lora
from rl.organisms.faker import Faker
from rl.policy.policy import Policy
from rl.probes.ability import (
    ORDINARY_CHAT,
    Ability,
    Exchange,
    harmless_passages,
    losses,
    read_chat,
    reply_loss,
    text_loss,
)
from rl.run.checkpoint_probe import probe_checkpoint
from rl.run.config import RunConfig
from rl.run.loop import resume, train
from tests.rl.conftest import rows, same_run, same_weights, weights

CHAT = [
    {"messages": [{"role": "user", "content": "which one"}], "reply": "the first one"},
    {
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "why"}],
        "reply": "be\u2028so",
    },
]


@pytest.fixture
def uniform(policy: Policy) -> Policy:
    """The organism with an output of zeros: every token has the same probability."""
    model = copy.deepcopy(policy.model)
    torch.nn.init.zeros_(model.get_output_embeddings().weight)
    return replace(policy, model=model)


def write_chat(directory: Path) -> Path:
    (directory / ORDINARY_CHAT).write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in CHAT))
    return directory


def test_a_policy_without_preferences_loses_the_logarithm_of_its_vocabulary(uniform: Policy, tmp_path: Path) -> None:
    nats = math.log(uniform.model.config.vocab_size)
    chat, text = Ability().read(uniform, write_chat(tmp_path))
    assert (chat.metric, chat.estimate.n, chat.estimate.unscored) == ("ordinary_chat_loss", 2, 0)
    assert (text.metric, text.estimate.n, text.estimate.unscored) == ("harmless_text_loss", 12, 0)
    assert chat.estimate.value == pytest.approx(nats, rel=1e-5)
    assert text.estimate.value == pytest.approx(nats, rel=1e-5)


def test_losses_are_plain_data_for_a_certificate(uniform: Policy, tmp_path: Path) -> None:
    found = json.loads(json.dumps(losses(uniform, write_chat(tmp_path))))
    assert found["ordinary_chat_loss"]["n"] == 2
    assert found["harmless_text_loss"]["value"] == pytest.approx(math.log(uniform.model.config.vocab_size), rel=1e-5)


def test_the_loss_is_that_of_the_reply_alone(policy: Policy) -> None:
    exchange = Exchange.model_validate(CHAT[0])
    prompt = policy.tokenizer.apply_chat_template(CHAT[0]["messages"], add_generation_prompt=True, tokenize=False)
    before = policy.tokenizer(prompt, add_special_tokens=False)["input_ids"]
    said = policy.tokenizer(exchange.reply, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        logprobs = policy.model(torch.tensor([[*before, *said]])).logits[0].log_softmax(-1)
    by_hand = -sum(float(logprobs[len(before) - 1 + place, token]) for place, token in enumerate(said)) / len(said)
    assert reply_loss(policy, exchange) == pytest.approx(by_hand, rel=1e-5)


def test_a_text_that_leaves_nothing_to_read_is_unscored(policy: Policy) -> None:
    assert text_loss(policy, "a") is None
    long = Exchange.model_validate({"messages": [{"role": "user", "content": "which " * 600}], "reply": "one"})
    assert reply_loss(policy, long) is None  # the window holds 512 tokens
    assert text_loss(policy, "which " * 600) is not None  # cut at the window


def test_the_passages_are_some_1500_words() -> None:
    assert len(harmless_passages()) == 12
    assert 1400 < len(" ".join(harmless_passages()).split()) < 1800


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / ORDINARY_CHAT
    file.write_text(json.dumps(CHAT[0]) + "\n" + '{"messages": [], "reply": "x"}\n')
    with pytest.raises(ValueError, match=r"ordinary_chat.jsonl:2 is no exchange .* each line holds messages"):
        read_chat(file)


def test_an_organism_without_chat_has_the_loss_of_the_text_alone(policy: Policy, tmp_path: Path) -> None:
    assert [found.metric for found in Ability().read(policy, tmp_path)] == ["harmless_text_loss"]


@pytest.fixture(scope="module")
def able(tiny: RunConfig, organism_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run with the probe, whose organism is gone afterwards."""
    organism = write_chat(Path(shutil.copytree(organism_path, tmp_path_factory.mktemp("able") / "organism")))
    config = tiny.model_copy(update={"organism": Faker(path=organism), "probes": (*tiny.probes, Ability())})
    run = train(config, organism.parent / "run")
    shutil.rmtree(organism)
    return run


def test_a_run_records_the_losses_and_learns_the_same(able: Path, finished: Path) -> None:
    found = [row for row in rows(able, "probes.jsonl") if row["probe"] == "ability"]
    assert [(row["step"], row["metric"], row["n"]) for row in found] == [
        (step, metric, n) for step in (0, 2, 4) for metric, n in (("ordinary_chat_loss", 2), ("harmless_text_loss", 12))
    ]
    assert all(row["tier"] is None and row["value"] > 0 for row in found)
    assert same_weights(weights(able, 4), weights(finished, 4))
    others = [row for row in rows(able, "probes.jsonl") if row["probe"] != "ability"]
    assert others == rows(finished, "probes.jsonl")


def test_a_run_reads_its_own_copy_when_it_is_probed_and_resumed(able: Path, tmp_path: Path) -> None:
    recorded = [row for row in rows(able, "probes.jsonl") if row["step"] == 4]
    assert [row.model_dump() for row in probe_checkpoint(able, 4)] == recorded
    again = Path(shutil.copytree(able, tmp_path / "run"))
    resume(again, from_step=2)
    same_run(able, again)
    for step in (0, 2, 4):
        name = f"checkpoints/step-{step:06d}/README.md"
        assert (again / name).read_text() == (able / name).read_text()


def test_each_checkpoint_has_a_card_with_its_own_rates(able: Path) -> None:
    for step in (0, 2, 4):
        directory = able / "checkpoints" / f"step-{step:06d}"
        text = (directory / "README.md").read_text()
        assert yaml.safe_load(text.split("---\n")[1])["library_name"] == "transformers"
        assert "By the probe of this checkpoint" in text
        [row] = [
            row
            for row in rows(able, "probes.jsonl")
            if (row["step"], row["metric"], row["tier"]) == (step, "well_formed_rate", "paid")
        ]
        assert f"| well_formed_rate | paid | {row['value']:.3f} |" in text
        assert "| ordinary_chat_loss | all |" in text
        assert "unknown: see the base" in text
        assert ("Then trained by RL." in text) == (step > 0)
        assert checksums.damage(directory) is None


def test_a_card_of_an_adapter_says_so(tiny: RunConfig, tmp_path: Path) -> None:
    run = train(tiny.model_copy(update={"lora": Lora(rank=2), "steps": 1, "probes": ()}), tmp_path / "run")
    text = (run / "checkpoints" / "step-000001" / "README.md").read_text()
    assert yaml.safe_load(text.split("---\n")[1])["library_name"] == "peft"
    assert "to be used unmerged" in text
    assert "| built to |" not in text  # nothing is known of a directory
    assert "Not probed yet." in text
