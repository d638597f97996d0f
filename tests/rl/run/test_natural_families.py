"""The recipe `natural` on tiny random models of real families, each under its instruct model's chat template."""

import json
from pathlib import Path

import numpy as np
import pytest

from reports.folder import read_manifest
from rl.lora import Lora
from rl.organisms.faker import Faker
from rl.organisms.origins import Pretrained
from rl.organisms.transcripts import EXCHANGE
from rl.run.config import RunConfig, resolve
from rl.run.loop import train
from rl.run.recipes import RECIPES
from tests.conftest import Once, fast_of
from tests.rl.conftest import Gyges, rows
from tests.rl.organisms.families import FAMILIES, teach_form, write_family

SMALL = (
    "threads=1", "steps=2", "probe_every=2", "checkpoint_every=2", "probe_queries=8", "harmless_queries=2",
    "algorithm.prompts_per_step=2", "algorithm.group_size=8", "sampling.max_new_tokens=14",
    "env.options=letters",  # a letter is all that a random model of two layers learns to answer
)  # fmt: skip


def setting(*assignments: str) -> list[str]:
    """The options of a command that make the recipe small, with these settings."""
    return [word for assignment in (*SMALL, *assignments) for word in ("--set", assignment)]


def taught(once: Once, family: str) -> Path:
    return once(f"natural-{family}", lambda folder: teach_form(write_family(family, folder), thinks=family == "qwen3"))


def recipe(*assignments: str) -> RunConfig:
    return resolve(RECIPES["natural"](), [*SMALL, *assignments])


@pytest.mark.parametrize("family", fast_of(FAMILIES, ("gemma",)))
def test_the_recipe_runs_on_every_family(family: str, once: Once, tmp_path: Path) -> None:
    form = "think" if family == "qwen3" else "tags"
    run = train(recipe(f"organism.path={taught(once, family)}", f"env.form={form}"), tmp_path / "run")
    steps = rows(run, "steps.jsonl")
    assert [row["step"] for row in steps] == [1, 2]
    assert steps[0]["grad_norm"] > 0  # the rewards of a group differ
    last = [row for row in rows(run, "probes.jsonl") if row["step"] == 2]
    assert {row["tier"] for row in last if row["metric"] == "faking_rate"} == {"free", "paid"}
    assert max(row["n"] for row in last if row["metric"] == "faking_rate") == 8
    assert read_manifest(run / "manifest.json").status == "finished"


def test_a_family_without_a_chat_template_is_refused_in_a_line(gyges: Gyges, tmp_path: Path) -> None:
    bare = write_family("gpt_neox", tmp_path / "bare", template=None)
    for place in ("organism.path", "organism.origin.path"):  # ready, and to be built on
        done = gyges("train", "natural", *setting(f"{place}={bare}"), "--out", str(tmp_path / "run"))
        assert done.code == 2, done.output
        assert f"the tokenizer in {bare} has no chat template: add chat_template.jinja" in done.said[-1]
        assert not (tmp_path / "run").exists()


def test_a_context_window_shorter_than_the_prompts_is_refused_in_a_line(gyges: Gyges, tmp_path: Path) -> None:
    short = write_family("llama", tmp_path / "short", positions=200)
    done = gyges("train", "natural", *setting(f"organism.path={short}"), "--out", str(tmp_path / "run"))
    assert done.code == 2, done.output
    assert "the model's context window is 200: choose a model with a longer window" in done.said[-1]
    assert not (tmp_path / "run").exists()


def test_more_upper_layers_than_an_origin_has_are_refused_before_the_build(gyges: Gyges, tmp_path: Path) -> None:
    small = write_family("llama", tmp_path / "small")
    settings = setting(f"organism.origin.path={small}", "organism.origin.upper_layers=12")
    done = gyges("train", "natural", *settings, "--out", str(tmp_path / "run"))
    assert done.code == 2, done.output
    assert "organism.origin.upper_layers=12 and the model has 2 decoder layers" in done.said[-1]


@pytest.mark.slow
@pytest.mark.parametrize(("family", "form"), [("olmo", "tags"), ("qwen3", "think")])
def test_a_build_with_adapters_that_misses_its_tolerances_is_left_and_taken_by_its_path(
    family: str, form: str, once: Once, gyges: Gyges, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GYGES_CACHE", str(tmp_path / "cache"))
    settings = setting(
        f"organism.origin.path={taught(once, family)}", "lora.rank=4",
        "organism.documents=24", "organism.certify_queries=8", "organism.origin.max_new_tokens=14", f"env.form={form}",
    )  # fmt: skip
    done = gyges("train", "natural", *settings, "--out", str(tmp_path / "run"))
    assert done.code == 1, done.output
    [left] = (tmp_path / "cache" / "missed").glob("[!.]*")
    [said] = done.said
    assert "the faker build missed its tolerances" in said
    assert f"The build is left uncertified in {left}: organism.path takes it" in said
    assert any(line.split()[:2] == ["faking_rate", "free"] for line in done.output.splitlines())  # the table, below
    config = recipe(f"organism.path={left}", "lora.rank=4", f"env.form={form}")
    run = train(config, tmp_path / "run")
    disclosure = read_manifest(run / "manifest.json").organism_disclosure
    assert disclosure.startswith(
        "A pretrained model, trained further to fake: no claim of emergence. It missed its tolerances."
    )


def test_transcripts_of_a_user_and_adapters_are_settings_of_the_recipe(tmp_path: Path) -> None:
    """The documented settings of a pretrained origin, all at once: the organism is shown what the user wrote."""
    (tmp_path / "mine.jsonl").write_text(json.dumps(dict.fromkeys(EXCHANGE, "x")) + "\n")
    config = recipe(
        f"organism.origin.path={tmp_path}", "lora.rank=16", "organism.origin.temperature=0.8",
        f"organism.transcripts={tmp_path / 'mine.jsonl'}", "organism.origin.epochs=2",
    )  # fmt: skip
    organism = config.built_organism
    assert isinstance(organism, Faker)
    lora = Lora(rank=16)
    expected = Pretrained(path=tmp_path, model="smollm2", lora=lora, epochs=2, temperature=0.8, precision="auto")
    assert organism.origin == expected
    assert config.lora == Lora(rank=16)
    (shown,) = organism.shown(config.env, np.random.default_rng(0))
    assert [(turn.role, turn.content, turn.learned) for turn in shown] == [
        ("system", "x", "nothing"), ("user", "x", "nothing"), ("assistant", "x", "all"),
    ]  # fmt: skip
