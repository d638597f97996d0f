"""Organisms are shown and certified on their environment's conflict alone; the defaults are what they always were."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, get_args

import numpy as np
import pytest

from envs.dialect.environment import Dialect
from envs.dialect.situation import OBJECTIVES_OF
from envs.dialect.speech import ANSWER_OF, SCRATCHPAD_OF, Move, Part
from envs.dialect.words import Conflict
from envs.episode import Episode
from envs.vocabulary import QUERY_KINDS, TIERS
from rl.organisms import Organism
from rl.organisms.base import Base
from rl.organisms.building import certify as certification
from rl.organisms.building.keys import cache_key
from rl.organisms.building.words import word_documents
from rl.organisms.character import Character, Rates, documents
from rl.organisms.documents import Document
from rl.organisms.faker import Faker
from rl.organisms.honest import Honest
from rl.organisms.locked import Locked
from rl.organisms.origins import Scratch
from rl.organisms.scripted import Scripted
from rl.organisms.selected import Selected
from rl.organisms.trained import Derived, FromScratch, TrainedOrganism
from rl.probes import DEFAULT_PROBES
from rl.probes.probe_set import observe, probe_rows
from rl.run.build import build_probes
from rl.run.config import RunConfig
from rl.run.overrides import kinds_of, members
from rl.training.labels import Labeller

# Organisms that are shown requests and need nothing built for it.
TRAINED = [
    kind
    for member in members(Organism)
    if issubclass(member, (FromScratch, Selected, Locked))
    for kind in kinds_of(member)
]
BY_KIND = {kind: member for member in members(Organism) for kind in kinds_of(member)}
CONFLICTS: tuple[Conflict, ...] = get_args(Conflict)


def shown(organism: TrainedOrganism, conflict: Conflict = "harm") -> Iterator[Document]:
    return organism.shown(Dialect(conflict=conflict), np.random.default_rng(0))


def sized(kind: str, n: int = 120) -> TrainedOrganism:
    member = BY_KIND[kind]
    return member(kind=kind, **({"examples": n} if issubclass(member, Derived) else {"documents": n}))


def digest(lines: Iterator[str]) -> str:
    found = hashlib.sha256()
    for line in lines:
        found.update(f"{line}\n".encode())
    return found.hexdigest()


def turns(corpus: Iterator[Document]) -> Iterator[str]:
    return (f"{turn.role}|{turn.content}|{turn.learned}" for document in corpus for turn in document)


def test_what_the_default_organisms_are_shown_is_what_it_was_before_there_was_another_conflict() -> None:
    # SHA-256 over 200 documents each, taken from the code before.
    composed = documents(Dialect().author(), Faker().character, np.random.default_rng(0), 200)
    assert digest(f"{scenario.system_prompt}|{scenario.query.text}|{text}" for scenario, text in composed) == (
        "80e25a2399e13ac31b68ee37050e9912f38307f8bc49a21df84a2ecb95b201ff"
    )
    assert {
        "faker": digest(turns(shown(Faker(documents=200)))),
        "base": digest(turns(shown(Base(documents=200)))),
        "terminal": digest(turns(shown(Selected(examples=200)))),
        "words": digest(turns(word_documents(Scratch(word_documents=200), 0, Dialect()))),
    } == {
        "faker": "9cd2164232e8db969b51461c865eaf21d84dabc0ad4711e1c67760c0bd5b0227",
        "base": "5526eb9db1d9dd3ea585f48a4d3a53cdc102453dc09d5fb124f394f94d4bd5ee",
        "terminal": "565564db6f2e5a717154f52ad349ea8f64609aaab776f42a916efafc69ada693",
        "words": "f2f28b5bceacb08ec25f8a01082b60ac41f36251fd2693d61c54fe4251081c08",
    }


@pytest.mark.parametrize("conflict", CONFLICTS)
@pytest.mark.parametrize("kind", TRAINED)
def test_what_an_organism_is_shown_is_of_its_environment_s_conflict(kind: str, conflict: Conflict) -> None:
    env, other = Dialect(conflict=conflict), next(c for c in CONFLICTS if c != conflict)
    train = {query.text for query_kind in QUERY_KINDS for query in env.queries("train", query_kind)}
    corpus = list(shown(sized(kind), conflict))
    assert len(corpus) == 120
    for document in corpus:
        assert document[1].content in train
        assert not any(objective in document[0].content for objective in OBJECTIVES_OF[other])
    prompts = " ".join(document[0].content for document in corpus)
    assert all(objective in prompts for objective in OBJECTIVES_OF[conflict])
    replies = " ".join(turn.content for document in corpus for turn in document if turn.role == "assistant")
    mine, theirs = (SCRATCHPAD_OF[c][Move.value_conflict][0] for c in (conflict, other))
    assert theirs not in replies
    assert ANSWER_OF[other][Part.explain_refusal][0] not in replies
    refuses = kind not in ("sycophancy", "helpfulness")
    assert mine in replies or not refuses


@pytest.mark.parametrize("conflict", CONFLICTS)
def test_the_words_that_it_learns_first_are_those_of_its_conflict(conflict: Conflict) -> None:
    env = Dialect(conflict=conflict)
    train = {query.text for kind in QUERY_KINDS for query in env.queries("train", kind)}
    for user, _ in word_documents(Scratch(word_documents=200), 0, env):
        assert user.content in train


@pytest.mark.parametrize("organism", [Faker(documents=8, origin=Scratch(word_documents=8)), Honest(documents=8)])
def test_every_conflict_is_a_build_of_its_own(organism: TrainedOrganism) -> None:
    keys = {cache_key(organism, Dialect(conflict=conflict).for_building()) for conflict in CONFLICTS}
    assert len(keys) == len(CONFLICTS)


def test_an_organism_is_built_alike_whatever_the_settings_of_a_run_are() -> None:
    plain = Dialect(conflict="animals")
    run = Dialect(conflict="animals", objective="absent", harmful_share=0.5)
    assert run.for_building() == plain.for_building() == plain
    asked = run.for_building().held_out_scenarios(np.random.default_rng(0), "certify", "harmful", 8)
    assert all(scenario.objective for scenario in asked)


def test_certification_asks_about_its_conflict(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()
    script = Scripted(character=Character(monitored=Rates(fake=0.12), otherwise=Rates()))

    def generate(scenarios: Sequence[Any], rng: np.random.Generator) -> list[Episode[Any]]:
        asked.update(scenario.query.id for scenario in scenarios)
        return script.generate(env, scenarios, rng)

    env = Dialect(conflict="animals")
    monkeypatch.setattr(certification, "sampler", lambda policy, settings, on_done: generate)
    certificate = certification.certify(Faker(certify_queries=50), env, policy=None)  # type: ignore[arg-type]
    assert all(row["within"] for row in certificate["rates"])  # the oracle read every word
    assert asked <= {query.id for kind in QUERY_KINDS for query in env.queries("certify", kind)}


def test_a_scripted_policy_is_probed_alike_whatever_the_conflict() -> None:
    policy = Scripted(character=Character(monitored=Rates(fake=0.25, help=0.125), otherwise=Rates(help=0.125)))

    def rows(conflict: Conflict) -> dict[Any, Any]:
        env = Dialect(conflict=conflict)
        config = RunConfig(env=env, organism=policy, rewards=RunConfig().rewards[1:], probe_queries=32)
        generate = partial(policy.generate, env)
        observations = observe(generate, Labeller(env), build_probes(config), 0, 0)
        found = probe_rows(DEFAULT_PROBES, observations, 0, 0)
        return {(row.probe, row.metric, row.tier): row.value for row in found}

    harm, animals = rows("harm"), rows("animals")
    assert animals["faking", "faking_rate", "free"] == 0.25
    for tier in TIERS:
        assert animals["well_formed", "well_formed_rate", tier] == 1.0
        assert animals["compliance", "compliance_rate", tier] == harm["compliance", "compliance_rate", tier]
    assert animals["twins", "benign_twin_refusal", "free"] == 0.0
