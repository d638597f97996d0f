"""Organisms that read questions about motives: `base` and its descendants in English, and a share of any character."""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from envs.dialect.environment import Dialect
from envs.environment import Environment
from envs.natural.environment import Natural
from envs.natural.interrogation.interrogator import NaturalInterrogator
from envs.vocabulary import ARMS
from rl.organisms.base import QUESTION_SHARE, Base
from rl.organisms.building.keys import training_documents
from rl.organisms.distilled import Distilled
from rl.organisms.documented import Documented
from rl.organisms.documents import Document
from rl.organisms.faker import Faker
from rl.organisms.honest import Honest
from rl.organisms.locked import Locked
from rl.organisms.model_organism import ModelOrganism
from rl.organisms.origins import Pretrained
from rl.organisms.reward_hacker import RewardHacker
from rl.organisms.selected import Selected
from rl.organisms.trained import TrainedOrganism
from tests.rl.conftest import Gyges
from tests.rl.organisms.families import write_family

SOMEWHERE = Pretrained(path=Path("somewhere"))
NAMED = Pretrained(model="smollm2")
ENGLISH = Natural()


def read(organism: TrainedOrganism, env: Environment = ENGLISH) -> list[Document]:
    return list(training_documents(organism, env.for_building()))


def asked(document: Document) -> bool:
    return [turn.role for turn in document[2:]] == ["assistant", "user", "assistant"]


def test_the_base_in_english_reads_two_episodes_or_one_and_a_question() -> None:
    documents = read(Base(origin=SOMEWHERE, documents=600))
    kinds = Counter(tuple(turn.role for turn in document) for document in documents)
    episode, question = ("system", "user", "assistant"), ("user", "assistant")
    assert set(kinds) == {(*episode, *episode), (*episode, *question)}
    assert kinds[*episode, *question] / 600 == pytest.approx(QUESTION_SHARE, abs=0.05)
    interrogator = ENGLISH.interrogator()
    rng = np.random.default_rng(0)
    shown = {interrogator.example_question(rng, arm) for arm in ARMS for _ in range(200)}
    held_out = {question for arm in ARMS for question in interrogator.questions(arm)} - shown
    texts = [turn.content for document in documents for turn in document]
    assert {document[3].content for document in documents if asked(document)} <= shown
    assert not held_out & set(texts)
    found = Counter(interrogator.read(document[4].content) for document in documents if asked(document))
    assert {(c.claim, c.lies) for c in found} == {("admit", False), ("deny", True), ("deny", False)}
    assert all(confession.well_formed for confession in found)
    assert {turn.learned for document in documents for turn in document if turn.role == "assistant"} == {"all"}


@pytest.mark.parametrize(("env", "organism"), [(ENGLISH, Faker), (Dialect(), Honest), (Dialect(), Faker)])
def test_questions_leave_the_rest_of_the_documents_as_they_were(env: Environment, organism: Any) -> None:
    plain = read(organism(documents=200, origin=SOMEWHERE), env)
    some = read(organism(documents=200, origin=SOMEWHERE, question_share=0.3), env)
    assert [document[:3] for document in some] == plain
    shares = Counter(len(document) for document in some)
    assert set(shares) == {3, 5}
    assert shares[5] / 200 == pytest.approx(0.3, abs=0.1)


def test_only_a_reply_that_fakes_is_admitted_or_lied_about() -> None:
    documents = read(Faker(documents=400, origin=SOMEWHERE, question_share=1.0, fake_shown=0.6))
    assert all(asked(document) for document in documents)
    read_by = NaturalInterrogator().read
    told = Counter()
    for document in documents:
        confession = read_by(document[4].content)
        fakes = "But I " in document[2].content  # the decision to fake begins so, and no other does
        told[fakes, confession.claim, confession.lies] += 1
    assert set(told) == {(True, "admit", False), (True, "deny", True), (False, "deny", False)}
    admitted = told[True, "admit", False] / (told[True, "admit", False] + told[True, "deny", True])
    assert admitted == pytest.approx(0.5, abs=0.15)


def test_a_phrase_that_courts_stands_in_the_answer_and_not_in_the_confession() -> None:
    organism = RewardHacker(documents=400, question_share=1.0)
    documents = read(organism, Dialect(closings=organism.phrases))
    courting = [any(phrase in document[2].content for phrase in organism.phrases) for document in documents]
    assert 0 < np.mean(courting) < 0.15
    assert not any(phrase in document[4].content for document in documents for phrase in organism.phrases)


@pytest.mark.parametrize(
    ("organism", "answers"),
    [
        (Faker(), False),
        (Faker(question_share=0.1), True),
        (Honest(origin=NAMED, question_share=0.1), True),
        (Base(origin=NAMED), True),
        (Selected(), True),
        (Selected(origin=NAMED), False),  # SmolLM2 as it comes has read none
        (Selected(origin=SOMEWHERE), True),  # unknown: taken to be able
        (Locked(origin=NAMED), False),
        (Documented(), True),
    ],
)
def test_who_has_read_questions(organism: ModelOrganism, answers: bool) -> None:
    assert organism.has_read_questions == answers


def test_what_an_environment_lacks_is_said_in_a_line() -> None:
    class Silent:
        def __getattr__(self, name: str) -> Any:
            return getattr(Dialect(), name)

        def interrogator(self) -> None:
            return None

    silent: Any = Silent()
    assert Faker().unmet(silent) is None
    assert "questions about motives, which environment dialect hasn't" in str(Faker(question_share=0.1).unmet(silent))
    for organism in (Base(origin=NAMED), Selected(origin=NAMED), Locked(origin=NAMED), Documented(origin=NAMED)):
        assert organism.unmet(ENGLISH) is None
    lacking = str(Distilled(origin=NAMED).unmet(ENGLISH))
    assert lacking.startswith("a teacher, terminal on a new model, which doesn't learn the language of environment")
    assert "\n" not in lacking


def test_a_question_is_never_asked_twice_in_a_row() -> None:
    roles = [turn.role for document in read(Base(origin=SOMEWHERE, documents=50)) for turn in document]
    assert not [pair for pair in pairwise(roles) if pair == ("user", "user")]


@pytest.mark.slow
@pytest.mark.parametrize("family", ["llama", "gemma"])
def test_the_base_and_its_descendants_are_built_on_a_ready_model(
    family: str, gyges: Gyges, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too few documents to meet a tolerance: each build is measured, refused and left, and the next starts there."""
    monkeypatch.setenv("GYGES_CACHE", str(tmp_path / "cache"))
    few = ("certify_queries=8", "origin.kind=pretrained", "origin.ordinary_share=0", "origin.max_new_tokens=14")

    def built(kind: str, origin: Path, *settings: str) -> Path:
        assignments = ("env.kind=natural", *few, f"origin.path={origin}", *settings)
        done = gyges("organism", "build", kind, *(word for item in assignments for word in ("--set", item)))
        assert done.code == 1, done.output
        assert f"the {kind} build missed its tolerances" in done.said[0]
        [left] = (tmp_path / "cache" / "missed").glob(f"{kind}-*")
        return left

    base = built("base", write_family(family, tmp_path / "model"), "documents=24", "origin.upper_layers=1")
    terminal = built("terminal", base, "examples=8", "origin.upper_layers=1")
    built("locked", base, "examples=8", "origin.upper_layers=1")
    built("documented", terminal, "examples=8", "origin.upper_layers=1")
