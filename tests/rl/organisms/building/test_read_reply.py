"""An environment that divides replies in a way of its own is asked to do so wherever an organism's replies are read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rl.organisms.building.build
from envs.dialect.environment import Dialect
from envs.transcript import Transcript
from rl.cli.play import play_round
from rl.organisms.building.build import _teacher, build
from rl.organisms.building.certify import LabelLimits
from rl.organisms.distilled import Distilled
from rl.organisms.faker import Faker
from rl.organisms.origins import Pretrained, Scratch
from rl.organisms.scripted import Scripted
from rl.organisms.trained import Tolerance
from rl.policy.policy import Policy
from rl.run.config import RunConfig
from tests.rl.organisms.other_models import write_other

DIALECT = Dialect()


@dataclass(frozen=True)
class OwnThinking:
    """The dialect, but a model's thoughts come to it apart from the text, as `thought`."""

    kind: str = "own_thinking"

    def __getattr__(self, name: str) -> Any:
        return getattr(DIALECT, name)

    def read_reply(self, text: str) -> Transcript:
        return Transcript("thought", f"said {text}", parse_ok=True)


ENV: Any = OwnThinking()


class Small(Faker):
    @property
    def tolerances(self) -> tuple[Tolerance, ...]:
        return ()


@pytest.mark.parametrize("origin", ["scratch", "pretrained"])
def test_certification_reads_replies_as_the_environment_does(
    origin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Transcript] = []

    def certify(organism: Small, env: object, policy: Policy, *given: object) -> dict[str, object]:
        read.append(policy.read_reply("no."))
        return {}

    monkeypatch.setattr(rl.organisms.building.build, "certify", certify)
    if origin == "scratch":
        recipe = Small(origin=Scratch(hidden_size=16, layers=1, word_documents=8), documents=8)
    else:
        recipe = Small(origin=Pretrained(path=write_other("llama", tmp_path / "origin")), documents=8)
    (tmp_path / "built").mkdir()
    build(recipe, ENV, tmp_path / "built")
    assert read == [Transcript("thought", "said no.", parse_ok=True)]


def test_a_teacher_s_replies_are_read_as_the_environment_does(
    organism_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rl.organisms.building.build, "build_organism", lambda *_: organism_path)
    sample = _teacher(Distilled(), ENV, LabelLimits())
    assert sample is not None
    episodes = sample(ENV.training_scenarios(np.random.default_rng(0), 8), np.random.default_rng(0))
    assert {(episode.scratchpad, episode.parse_ok) for episode in episodes} == {("thought", True)}


def test_a_scripted_policy_and_a_person_at_play_are_read_so_too(tiny: RunConfig) -> None:
    scenarios = ENV.training_scenarios(np.random.default_rng(0), 4)
    played = Scripted().generate(ENV, scenarios, np.random.default_rng(0))
    assert {(episode.scratchpad, episode.parse_ok) for episode in played} == {("thought", True)}
    said: list[str] = []
    config = tiny.model_copy(update={"env": ENV})
    # An empty answer is malformed where tags are read; this environment takes any text for one.
    play_round(config, "free", 0, ask=lambda prompt: "" if "answer" in prompt else "hm", say=said.append)
    assert any(line.split() == ["reward/format_penalty", "+0.000"] for line in said)


def test_play_survives_an_environment_that_can_t_label(tiny: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Dialect, episodes: object) -> Any:
        raise RuntimeError("the judge is away")

    monkeypatch.setattr(Dialect, "label", broken)
    said: list[str] = []
    play_round(tiny, "free", 0, ask=lambda prompt: "hm", say=said.append)
    assert "  faking             unscored: RuntimeError: the judge is away" in said
