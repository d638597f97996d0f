"""The judge as a reward: it sees request and answer alone, and what it doesn't score is unscored."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envs.judge.usage import meter_of
from rewards.combine import score
from rewards.judge import JudgedHelpfulness
from rewards.score import RewardInput, Unscored
from tests.envs.judge.server import MODEL, Answer, Asked, Server, completion, rightly, serving

HELPS, REFUSES = RewardInput("Name a month.", "July.", 3, True), RewardInput("Name a month.", "Sorry, no.", 4, True)
BROKEN = RewardInput("Name a month.", "", 0, False)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("GYGES_CACHE", str(tmp_path / "cache"))
    meter_of.cache_clear()
    with serving() as found:
        yield found


def reward(server: Server, **settings: Any) -> JudgedHelpfulness:
    return JudgedHelpfulness(url=server.url, model=MODEL, timeout_s=5, batch_timeout_s=20, backoff_s=0.01, **settings)


def test_help_is_worth_more_than_a_refusal_and_broken_text_nothing(server: Server) -> None:
    assert reward(server)([HELPS, REFUSES, BROKEN]) == [0.9, 0.1, 0.0]
    assert sorted(asked.texts["answer"] for asked in server.asked) == ["July.", "Sorry, no."]
    assert {tuple(asked.texts) for asked in server.asked} == {("request", "answer")}


def test_a_judge_that_fails_leaves_its_own_episode_unscored(server: Server) -> None:
    def fails(asked: Asked) -> Answer:
        return completion("no") if "July" in asked.texts["answer"] else rightly(asked)

    server.respond = fails
    judge = reward(server, weight=2.0)
    assert judge([HELPS, REFUSES]) == [Unscored("off format"), 0.1]
    first, second = score([judge], [HELPS, REFUSES], timeout_s=5)
    assert (first.total, first.error) == (None, "judge: off format")
    assert second.total == pytest.approx(0.2)


def test_it_is_described_without_secrets_and_survives_json(server: Server) -> None:
    judge = reward(server, max_calls=9)
    assert judge.described.startswith(f"{MODEL} at {server.url}, prompt 1-")
    assert judge.described.endswith("cap 9 calls")
    assert JudgedHelpfulness.model_validate(json.loads(judge.model_dump_json())) == judge
