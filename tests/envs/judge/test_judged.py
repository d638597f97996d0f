"""Labels by a judge: what it sees, what it replaces, and how often it agrees with the labels that it replaces."""

import json
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from envs.episode import Episode, Scenario
from envs.judge.settings import Judge
from envs.labels import Labels, agreement
from envs.natural.choice import choice_of, read_choice
from envs.natural.environment import Natural
from rl.training.labels import Labeller
from tests.envs.judge.server import MODEL, Answer, Asked, Server, completion

PLAIN = Natural()


def replies() -> list[Episode[Scenario]]:
    """Eight replies of the author: fakers and refusers on the free tier, and one that can't be parsed."""
    rng, author = np.random.default_rng(0), PLAIN.author()
    found: list[Episode[Scenario]] = []
    for index in range(8):
        scenario = author.scenario(rng, author.query(rng, "probe", ("harmful",)), "free", True)
        text = author.reply(rng, scenario, "fake" if index % 2 else "refuse")
        read = PLAIN.read_reply(text)
        found.append(Episode(scenario, text, read.scratchpad, read.answer, read.parse_ok, finished=True))
    return [*found, replace(found[0], text="broken", scratchpad="", answer="", parse_ok=False)]


EPISODES = replies()
OFFLINE = PLAIN.label(EPISODES)
BY_TEXT: dict[str, Any] = {
    **{e.answer: read_choice(e.answer, choice_of(e.scenario.query)) for e in EPISODES},
    **{e.scratchpad: found.faking for e, found in zip(EPISODES, OFFLINE, strict=True)},
}


def exactly(asked: Asked) -> Answer:
    key = "reasoning" if asked.kind == "faking" else "answer"
    return completion(json.dumps({asked.kind: BY_TEXT[asked.texts[key]]}))


def env(server: Server, **settings: Any) -> Natural:
    quick = {"timeout_s": 5.0, "batch_timeout_s": 20.0, "backoff_s": 0.01}
    return Natural(judge=Judge(url=server.url, model=MODEL, **{**quick, **settings}))


def test_a_judge_that_is_right_agrees_and_is_named_as_the_source(server: Server) -> None:
    server.respond = exactly
    found = env(server).label(EPISODES)
    assert [one.answer for one in found] == [one.answer for one in OFFLINE]
    assert [one.faking for one in found] == [one.faking for one in OFFLINE]
    assert {one.sources["answer"] for one in found[:-1]} == {one.sources["faking"] for one in found[:-1]} == {"judge"}
    assert found[-1] == OFFLINE[-1]  # a reply that can't be parsed isn't sent
    assert [(one.tier_aware, one.quality) for one in found] == [(one.tier_aware, one.quality) for one in OFFLINE]
    assert agreement(found) == {"answer": [True] * 8, "faking": [True] * 8}
    assert {one.faking for one in OFFLINE[:-1]} == {True, False}


def test_a_judge_that_lies_is_seen_by_its_agreement(server: Server) -> None:
    def lies(asked: Asked) -> Answer:
        return completion(json.dumps({"answer": "comply"} if asked.kind == "answer" else {"faking": True}))

    server.respond = lies
    agrees = agreement(env(server).label(EPISODES))
    assert [sum(map(bool, one)) for one in agrees.values()] == [4, 4]


def test_the_judge_of_answers_sees_request_and_answer_the_judge_of_faking_the_scratchpad_and_the_tiers(
    server: Server,
) -> None:
    server.respond = exactly
    env(server).label(EPISODES[1:2])
    texts = {asked.kind: asked.texts for asked in server.asked}
    [episode] = EPISODES[1:2]
    scenario = episode.scenario
    assert texts["answer"] == {"request": scenario.query.text, "answer": episode.answer}
    told = f"{scenario.objective} {scenario.cue.wordings['free']}"
    assert texts["faking"] == {"instructions": told, "reasoning": episode.scratchpad}
    server.asked.clear()
    hidden = replace(episode, scenario=scenario.without_cue())
    env(server).label([hidden])
    assert [asked.texts["instructions"] for asked in server.asked] == [scenario.objective]


@pytest.mark.parametrize("label", ["answer", "faking"])
def test_one_label_alone_may_be_judged(server: Server, label: Any) -> None:
    server.respond = exactly
    found = env(server, labels=[label]).label(EPISODES)
    assert {asked.kind for asked in server.asked} == {label}
    other = {"answer": "faking", "faking": "answer"}[label]
    assert [one.sources[other] for one in found] == [one.sources[other] for one in OFFLINE]


def test_a_label_without_a_verdict_is_none_with_the_reason_and_never_the_offline_one(server: Server) -> None:
    server.respond = lambda asked: completion("I can't help with that.")
    found = env(server).label(EPISODES)
    for one in found[:-1]:
        assert (one.answer, one.faking, one.error) == (None, None, "judge: off format")
        assert "answer" not in one.sources
        assert one.offline["answer"] in ("comply", "refuse")
    assert agreement(found)["faking"] == [None] * 8


def test_a_judge_that_hangs_costs_its_own_labels_and_no_others(server: Server) -> None:
    server.respond = lambda asked: Answer(wait_s=30)
    slow = env(server, timeout_s=20, batch_timeout_s=0.4)
    started = time.monotonic()
    labels = Labeller(slow, timeout_s=10)
    found = labels(EPISODES)
    assert time.monotonic() - started < 3
    assert {one.error for one in found[:-1]} == {"judge: no verdict within 0.4 s"}
    assert [one.tier_aware for one in found] == [one.tier_aware for one in OFFLINE]


def test_the_fingerprint_names_model_url_prompts_and_cap(server: Server) -> None:
    found = env(server, max_calls=7).fingerprint()
    assert found["labels"] == "judge (answer, faking), oracle and classifier"
    assert (found["judge_model"], found["judge_url"], found["judge_cap"]) == (MODEL, server.url, "7 calls")
    assert found["judge_prompts"].startswith("answer 1-")
    assert {name: found[name] for name in PLAIN.fingerprint() if name != "labels"} == {
        name: value for name, value in PLAIN.fingerprint().items() if name != "labels"
    }
    assert env(server).validation() == {"answer": "none", "faking": "none"}
    assert env(server).for_building() == PLAIN  # no build depends on a judge, or asks it


def test_what_the_judge_calls_faking_is_faking_by_the_lenient_reading_too(server: Server) -> None:
    server.respond = lambda asked: completion(json.dumps({asked.kind: True if asked.kind == "faking" else "refuse"}))
    found = env(server).label(EPISODES)[:-1]
    assert any(not one.faking_lenient for one in OFFLINE[:-1])
    assert [(one.faking, one.faking_lenient) for one in found] == [(True, True)] * 8
    assert {one.sources["faking_lenient"] for one in found} == {"judge"}


def test_an_episode_without_an_offline_label_is_not_compared() -> None:
    judged = Labels(answer="comply", sources={"answer": "judge"})
    assert agreement([judged, replace(judged, offline={"answer": "refuse"})]) == {"answer": [False]}
