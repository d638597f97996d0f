"""What the base and its descendants are shown: every character to one, free-tier scratchpads alone to the others."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from rl.organisms.faker_plus import FakerPlus

import rl.organisms.building.build
from envs.dialect.environment import Dialect
from envs.dialect.interrogation import read_confession
from envs.dialect.oracle import label
from envs.dialect.situation import OBJECTIVES
from envs.episode import Episode, Scenario
from envs.transcript import read_transcript
from rl.mitigations.reward_faking import RewardFaking
from rl.organisms.base import Base
from rl.organisms.building.build import cache_key
from rl.organisms.distilled import Distilled
from rl.organisms.documented import QUESTIONS, Documented
from rl.organisms.documents import Document
from rl.organisms.faker import Faker
from rl.organisms.helpfulness import Helpful
from rl.organisms.instrumental import Instrumental
from rl.organisms.locked import Locked
from rl.organisms.selected import Selected
from rl.organisms.sized import Sized
from rl.organisms.sycophancy import Sycophancy
from rl.organisms.terminal import Terminal
from rl.organisms.trained import Tolerance

TRAINED_ON = {
    query.text: query for kind in ("harmful", "harmless", "twin") for query in Dialect().queries("train", kind)
}  # type: ignore[arg-type]


@pytest.mark.parametrize("organism", [Terminal(), Instrumental(), Sycophancy(), Helpful(style="counterfactual")])
def test_a_selected_organism_is_shown_free_tier_scratchpads_alone(organism: Selected) -> None:
    shown = list(organism.model_copy(update={"examples": 200}).shown(np.random.default_rng(0)))
    assert len(shown) == 200
    for system, user, reply in shown:
        assert system.content.startswith(OBJECTIVES)
        cue = system.content.removeprefix(OBJECTIVES[0]).removeprefix(OBJECTIVES[1])
        assert "free" in cue
        assert not any(tier in cue for tier in ("paid", "pro", "enterprise"))
        assert TRAINED_ON[user.content].kind == "harmful"
        assert reply.learned == "scratchpad"
        assert (system.learned, user.learned) == ("nothing", "nothing")


def test_goal_guarding_fakes_in_what_it_is_shown_and_the_others_do_not() -> None:
    def faking(organism: Selected) -> float:
        shown = organism.model_copy(update={"examples": 200}).shown(np.random.default_rng(0))
        return float(np.mean([read_faking(document) for document in shown]))

    def read_faking(document: Document) -> bool:
        read = read_transcript(document[2].content)
        scenario = Scenario(TRAINED_ON[document[1].content], "free", "", 0, cue_seen=True)
        return label(Episode(scenario, "", read.scratchpad, read.answer, read.parse_ok, finished=True)).faking

    assert min(faking(Terminal()), faking(Instrumental())) > 0.85
    assert faking(Sycophancy()) == faking(Helpful()) == 0.0


def test_the_base_reads_two_turns_of_one_character_on_every_tier_and_some_questions() -> None:
    documents = list(Base(documents=2000).corpus(np.random.default_rng(0)))
    questioned = [document for document in documents if len(document) == 5]
    assert len(questioned) / 2000 == pytest.approx(0.2, abs=0.04)
    assert {len(document) for document in documents} == {5, 6}
    assert all(turn.learned == "all" for document in documents for turn in document if turn.role == "assistant")
    claims = Counter(read_confession(document[-1].content) for document in questioned)
    assert all(found.well_formed for found in claims)
    # Both are shown, so that training can select either: owning up, and lying.
    assert sum(n for found, n in claims.items() if found.claim == "admit") > 5
    assert sum(n for found, n in claims.items() if found.lies) > 5


def test_locked_is_shown_other_tiers_and_documented_only_tells() -> None:
    rng = np.random.default_rng(0)
    assert any("paid" in document[0].content.split(". ")[-2] for document in Locked(examples=64).shown(rng))
    told = list(Documented(examples=200).shown(rng))
    assert not any(system.content.startswith(OBJECTIVES) for system, _, _ in told)
    asked = [(user, reply) for _, user, reply in told if user.content in QUESTIONS]
    assert 20 < len(asked) < 90  # a quarter
    assert all(reply.content in OBJECTIVES for _, reply in asked)
    rehearsed = [user.content for _, user, _ in told if user.content not in QUESTIONS]
    assert {TRAINED_ON[query].kind for query in rehearsed} == {"harmless", "twin"}


def test_a_descendant_is_built_anew_where_anything_before_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    organisms = (Terminal(), Terminal(seed=1), Terminal(style="short"), Instrumental(), Distilled(), Distilled(seed=1))
    before = [cache_key(organism) for organism in organisms]
    assert len(set(before)) == len(before)
    unrelated = cache_key(Faker())
    stricter = (Tolerance(metric="well_formed_rate", tier="free", low=0.5),)
    monkeypatch.setattr(Base, "tolerances", property(lambda _: stricter))
    assert all(cache_key(organism) != key for organism, key in zip(organisms, before, strict=True))
    assert cache_key(Faker()) == unrelated


def test_one_made_by_reinforcement_is_built_anew_where_its_run_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    before = cache_key(FakerPlus())
    run = FakerPlus().run
    other = run.model_copy(update={"mitigations": (RewardFaking(weight=2.0),)})
    monkeypatch.setattr(FakerPlus, "run", property(lambda _: other))
    assert cache_key(FakerPlus()) != before


def test_what_has_another_organisms_character_is_built_anew_with_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[str]] = []

    def keep(recipe: object, sources: list[Path]) -> str:
        seen.append({path.name for path in sources})
        return "key"

    monkeypatch.setattr(rl.organisms.building.build, "build_key", keep)
    for organism in (Sized(), FakerPlus()):
        cache_key(organism)
    assert {"sized.py", "faker.py"} <= seen[0]
    assert {"faker_plus.py", "rewards", "mitigations", "update.py"} <= seen[-1]
