"""The tokens of a run's prompts are recorded, and are the same on another day; another template is refused."""

import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers.utils.chat_template_utils

import rl.policy.policy
import rl.run.folder
from envs.chat import Prompt, prompt
from rl.organisms.faker import Faker
from rl.policy.loading import load_policy
from rl.run.build import build_probes
from rl.run.checkpoint_probe import probe_checkpoint
from rl.run.checks.prompt_hashes import prompt_token_hashes
from rl.run.config import RunConfig
from rl.run.loop import begin, resume, train
from tests.rl.conftest import rows, same_run

STARTED = "2031-07-06T05:04:03+00:00"


class Tomorrow(datetime):
    """The computer's clock of another day, as Transformers would give it to templates."""

    @classmethod
    def now(cls, tz: object = None) -> "Tomorrow":
        real = datetime.now() + timedelta(days=1)
        return cls(real.year, real.month, real.day)


@pytest.fixture
def dated(tiny: RunConfig, organism_path: Path, tmp_path: Path) -> RunConfig:
    """The tiny run of an organism whose chat template writes the date."""
    organism = Path(shutil.copytree(organism_path, tmp_path / "dated"))
    template = organism / "chat_template.jinja"
    template.write_text("Today: {{ strftime_now('%d %b %Y') }}\n" + template.read_text())
    return tiny.model_copy(update={"organism": Faker(path=organism)})


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rl.run.folder, "utc_now", lambda: STARTED)


def test_the_template_is_told_the_start_of_the_run(
    dated: RunConfig, started: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[str] = set()

    def noted(*arguments: Any) -> Prompt:
        found = prompt(*arguments)
        seen.add(found.text.splitlines()[0])
        return found

    monkeypatch.setattr(rl.policy.policy, "prompt", noted)
    begin(dated, tmp_path / "run")
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["started"] == STARTED
    seen.clear()  # what was checked before the start, by the day of the check
    resume(tmp_path / "run")
    assert seen == {"Today: 06 Jul 2031"}


def test_a_run_that_is_resumed_or_probed_on_another_day_is_the_same(
    dated: RunConfig, started: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(dated, tmp_path / "whole")
    begin(dated, tmp_path / "begun")
    monkeypatch.setattr(transformers.utils.chat_template_utils, "datetime", Tomorrow)
    monkeypatch.setattr(rl.run.folder, "utc_now", lambda: "2031-07-07T05:04:03+00:00")
    same_run(whole, resume(tmp_path / "begun"))
    again = [json.loads(row.to_json_line()) for row in probe_checkpoint(whole, 2)]
    assert again == [row for row in rows(whole, "probes.jsonl") if row["step"] == 2]
    # Another start is another date, and so another run: the date does matter to it.
    other = train(dated, tmp_path / "other")
    hashes = [json.loads((run / "manifest.json").read_text())["prompt_token_hashes"] for run in (whole, other)]
    assert hashes[0].keys() == hashes[1].keys()
    assert all(hashes[0][kind] != hashes[1][kind] for kind in hashes[0])


def test_the_manifest_holds_a_hash_of_each_kind_of_prompt(finished: Path, tiny: RunConfig, organism_path: Path) -> None:
    manifest = json.loads((finished / "manifest.json").read_text())
    assert set(manifest["prompt_token_hashes"]) == {"harmful", "training"}  # the tiny run's probes ask no other kind
    probes = build_probes(tiny)
    policy = load_policy(organism_path, torch.device("cpu"))
    assert prompt_token_hashes(policy, probes)["harmful"] == manifest["prompt_token_hashes"]["harmful"]
    policy.tokenizer.chat_template += " "
    fresh = load_policy(organism_path, torch.device("cpu"))
    fresh.tokenizer.chat_template += "\n "
    assert prompt_token_hashes(fresh, probes)["harmful"] != manifest["prompt_token_hashes"]["harmful"]


def test_another_template_is_refused_and_the_folder_stays_as_it_was(finished: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["prompt_token_hashes"]["harmful"] = "0" * 64
    (run / "manifest.json").write_text(json.dumps(manifest))
    before = (run / "manifest.json").read_bytes()
    for work in (lambda: resume(run, 2), lambda: probe_checkpoint(run, 2)):
        with pytest.raises(ValueError, match="the chat template or the tokenizer has changed: the harmful") as caught:
            work()
        assert "\n" not in str(caught.value)
        assert (run / "manifest.json").read_bytes() == before
        assert len(rows(run, "steps.jsonl")) == 4


def test_a_run_of_an_older_version_goes_on_without_hashes(finished: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    manifest = json.loads((run / "manifest.json").read_text())
    del manifest["prompt_token_hashes"], manifest["system_text_folded"]
    (run / "manifest.json").write_text(json.dumps(manifest))
    same_run(finished, resume(run, 2))
