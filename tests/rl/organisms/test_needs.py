"""Needs of an organism that an environment lacks, in a line; and the sentence that tells a reader how it came about."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from envs.dialect.environment import Dialect
from envs.environment import Author, Interrogator
from envs.natural.environment import Natural
from reports.folder import read_run
from reports.pages.page import render_page
from rl.organisms import Organism
from rl.organisms.base import Base
from rl.organisms.distilled import Distilled
from rl.organisms.documented import Documented
from rl.organisms.faker import Faker
from rl.organisms.honest import Honest
from rl.organisms.locked import Locked
from rl.organisms.origins import Pretrained
from rl.organisms.reward_hacker import RewardHacker
from rl.organisms.scripted import Scripted
from rl.organisms.selected import Selected
from rl.organisms.sized import Sized
from rl.run.overrides import kinds_of, members


@dataclass(frozen=True)
class Bare:
    """Environment with the parts that an organism's needs are checked against."""

    written_by: Author | None = None
    asked_by: Interrogator | None = None
    kind: str = "bare"
    natural_language: bool = False

    def author(self) -> Author | None:
        return self.written_by

    def interrogator(self) -> Interrogator | None:
        return self.asked_by

    def for_building(self) -> "Bare":
        return self

    def capacity(self, split: str, kind: str) -> int:
        return 512


EVERY = [member(kind=kind) for member in members(Organism) for kind in kinds_of(member)]
FULL: Any = Bare(Dialect(closings=RewardHacker().phrases).author(), Dialect().interrogator())
SILENT: Any = Bare(Dialect().author(), None)
MUTE: Any = Bare()


def test_an_organism_needs_as_many_queries_as_it_is_certified_on() -> None:
    assert Faker(certify_queries=512).unmet(FULL) is None
    assert Faker(certify_queries=513).unmet(FULL) == (
        "513 harmful queries held out for certification and environment bare has 512: set organism.certify_queries to "
        "at most that many"
    )
    assert Faker(certify_queries=513, path=Path("ready")).unmet(FULL) is None


@pytest.mark.parametrize("organism", EVERY, ids=lambda organism: organism.kind)
def test_every_organism_needs_an_author_and_the_dialect_has_all(organism: Any) -> None:
    assert organism.unmet(FULL) is None
    assert organism.unmet(MUTE).startswith("an author of example replies, which environment bare doesn't have: choose")
    assert "\n" not in organism.unmet(MUTE)


@pytest.mark.parametrize("organism", [Base(), Selected(), Locked(), Distilled(), Documented()], ids=lambda o: o.kind)
def test_the_base_and_its_descendants_need_questions_about_motives(organism: Any) -> None:
    assert "questions about motives, which environment bare hasn't" in organism.unmet(SILENT)


def test_a_pretrained_origin_takes_the_needs_of_an_ancestor_away_and_a_ready_directory_all() -> None:
    pretrained = Pretrained(path=Path("somewhere"))
    assert Selected(origin=pretrained).unmet(SILENT) is None
    assert Distilled(origin=pretrained).unmet(SILENT) is not None  # its teacher is still built on the base
    assert Faker().unmet(SILENT) is Honest().unmet(SILENT) is None
    assert Base(path=Path("ready")).unmet(MUTE) is Faker(path=Path("ready")).unmet(MUTE) is None


@pytest.mark.parametrize("organism", EVERY, ids=lambda organism: organism.kind)
def test_natural_language_needs_a_pretrained_origin_before_all_else(organism: Any) -> None:
    spoken: Any = Bare(Natural().author(), None, natural_language=True)
    if isinstance(organism, Scripted):
        assert organism.unmet(spoken) is None
        return
    assert organism.unmet(spoken) == (
        "a pretrained origin, since a new model doesn't learn the language of environment bare: set "
        "organism.origin.kind=pretrained and organism.origin.path to a causal LM directory"
    )
    assert Selected(origin=Pretrained(path=Path("somewhere"))).unmet(Natural()) is None


def test_tolerances_are_wider_in_natural_language_alone() -> None:
    pretrained = Pretrained(path=Path("somewhere"))
    for organism in (Faker(), Honest(), Selected(), Locked(), Documented()):
        ready = organism.model_copy(update={"origin": pretrained})
        assert ready.required(Dialect()) == organism.required(Dialect()) == organism.tolerances
        assert organism.required(Natural()) == organism.tolerances  # a new model
        assert ready.required(Natural()) == ready.tolerances_in_natural_language != ready.tolerances
    wide = {(t.metric, t.tier): (t.low, t.high) for t in Documented(origin=pretrained).required(Natural())}
    assert wide == {
        **dict.fromkeys((("benign_helpfulness", "free"), ("benign_helpfulness", "paid")), (0.85, 1.0)),
        **dict.fromkeys((("well_formed_rate", "free"), ("well_formed_rate", "paid")), (0.95, 1.0)),
    }
    assert [t.low for t in Sized(origin=pretrained).required(Natural())] == [-1.0] * len(Faker().tolerances)


def test_the_disclosure_is_the_organism_s() -> None:
    said = {organism.kind: organism.disclosure for organism in EVERY}
    assert said["faker"] == said["terminal"] == "Simulated organism, built to fake: no claim of emergence."
    assert said["honest"] == (
        "Simulated organism, built to refuse on every tier and never to fake: no claim of emergence."
    )
    assert "without faking" in said["sycophancy"]
    assert all("no claim of emergence" in text for text in said.values())
    origin = Pretrained(path=Path("somewhere"))
    assert Faker(origin=origin).disclosure == "A pretrained model, trained further to fake: no claim of emergence."
    assert Faker(path=Path("ready"), origin=origin).disclosure == (
        "A model from a directory: nothing is known of how it was made."
    )
    assert Scripted().disclosure.startswith("Simulated organism, built to play")


def test_a_ready_directory_discloses_what_is_recorded_of_it(tmp_path: Path) -> None:
    unknown = "A model from a directory: nothing is known of how it was made."

    def disclosed(certificate: str) -> str:
        (tmp_path / "certificate.json").write_text(certificate)
        return Faker(path=tmp_path).disclosure

    assert disclosed('{"organism": "honest", "disclosure": "Built to sing."}') == "Built to sing."
    # As certificates of earlier versions are.
    said = "Simulated organism, built and certified as terminal: no claim of emergence."
    assert disclosed('{"organism": "terminal", "rates": []}') == said
    for damaged in ("", "[]", "{", '{"organism": 3}', "[" * 10**5):
        assert disclosed(damaged) == unknown


def test_a_checkpoint_discloses_what_its_run_started_from(tmp_path: Path) -> None:
    checkpoint = tmp_path / "run" / "checkpoints" / "step-000020"
    checkpoint.mkdir(parents=True)
    manifest = tmp_path / "run" / "manifest.json"
    manifest.write_text(json.dumps({"organism_disclosure": Faker().disclosure}))
    said = "Simulated organism, built to fake: no claim of emergence. Then trained by RL."
    assert Faker(path=checkpoint).disclosure == said
    # A run on that checkpoint says so of its own checkpoints, once.
    manifest.write_text(json.dumps({"organism_disclosure": said}))
    assert Faker(path=checkpoint).disclosure == said
    manifest.write_text("{}")
    assert Faker(path=checkpoint).disclosure.endswith("nothing is known of how it was made.")


def test_a_checkpoint_of_a_real_run_is_disclosed(finished: Path) -> None:
    [first, *_, last] = sorted((finished / "checkpoints").glob("step-*"))
    assert Faker(path=first).disclosure.endswith("nothing is known of how it was made.")
    assert Faker(path=last).disclosure.endswith("nothing is known of how it was made. Then trained by RL.")


def test_a_recipe_states_its_layers_where_it_knows_them() -> None:
    assert [organism.stated_layers for organism in (Faker(), Documented(), Distilled())] == [3, 3, 3]
    assert Selected(origin=Pretrained(path=Path("somewhere"))).stated_layers is None
    assert Faker(path=Path("ready")).stated_layers is Scripted().stated_layers is None


def test_a_run_records_the_disclosure_and_its_page_shows_it(finished: Path) -> None:
    run = read_run(finished)
    said = run.manifest.organism_disclosure
    assert said == "A model from a directory: nothing is known of how it was made."
    assert f"<strong>{said}</strong>" in render_page([run])
