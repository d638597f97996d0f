"""A judge that answers rightly, lies, hangs, fails, refuses, answers off format, cuts off, floods and redirects."""

import gzip
import json
import socket
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from envs.judge.asking import LONGEST_TEXT, ask
from envs.judge.batch import FAILURES_IN_A_ROW, SAVED_EVERY
from envs.judge.client import LARGEST_BODY
from envs.judge.questions import NoVerdict, Question
from envs.judge.settings import Endpoint
from envs.judge.usage import Usage, meter_of, read_usage
from tests.envs.judge.server import MODEL, Answer, Asked, Respond, Server, completion, rightly, serving

QUICK: Mapping[str, Any] = {"timeout_s": 5.0, "batch_timeout_s": 20.0, "backoff_s": 0.01}


def endpoint(server: Server, **settings: Any) -> Endpoint:
    return Endpoint(url=server.url, model=MODEL, **{**QUICK, **settings})


def question(answer: str, request: str = "Name a month.") -> Question:
    return Question("answer", {"request": request, "answer": answer})


def several(n: int) -> list[Question]:
    return [question(f"Month {index}.") for index in range(n)]


def reasons(found: list[Any]) -> list[str]:
    return [one.reason for one in found if isinstance(one, NoVerdict)]


def test_verdicts_come_in_order_and_questions_that_are_alike_are_asked_once(server: Server) -> None:
    asked = [question("July."), question("Sorry, no."), question("July."), question("May.")]
    assert ask(endpoint(server), asked) == ["comply", "refuse", "comply", "comply"]
    assert len(server.asked) == 3
    sent = server.asked[0]
    assert sent.path == "/v1/chat/completions"
    assert (sent.body["model"], sent.body["temperature"], sent.body["max_tokens"]) == (MODEL, 0.0, 64)
    assert "Authorization" not in sent.headers


def test_a_good_verdict_is_found_again_on_disk_and_nothing_of_the_text_is_kept(server: Server, own_cache: Path) -> None:
    judge, asked = endpoint(server), [question("A secret plan.")]
    assert ask(judge, asked) == ask(judge, asked) == ["comply"]
    assert len(server.asked) == 1
    [kept] = [file for file in own_cache.rglob("*") if file.is_file()]
    assert json.loads(kept.read_text()) == {"prompt": "answer", "verdict": "comply"}
    assert ask(judge, asked, fresh=True) == ["comply"]
    assert ask(endpoint(server, max_tokens=65), asked) == ["comply"]  # another judge, by its settings
    kept.write_text('{"prompt": "answer", "verdict": "comp')  # damaged
    assert ask(judge, asked) == ["comply"]
    assert len(server.asked) == 4


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_a_fault_that_passes_is_tried_again(server: Server, status: int) -> None:
    server.respond = lambda asked: rightly(asked) if asked.number else Answer(status=status)
    assert ask(endpoint(server), [question("July.")]) == ["comply"]
    assert meter_of(endpoint(server)).usage == Usage(calls=2, prompt_tokens=100, completion_tokens=5)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_fault_that_stays_is_not_tried_again(server: Server, status: int) -> None:
    server.respond = lambda asked: Answer(b'{"error": "no"}', status=status)
    assert ask(endpoint(server), [question("July.")]) == [NoVerdict(f"HTTP {status}", status)]
    assert len(server.asked) == 1


def test_retry_after_is_honoured_within_a_bound(server: Server) -> None:
    def waits(asked: Asked) -> Answer:
        return rightly(asked) if asked.number else Answer(status=429, headers={"Retry-After": "0.5"})

    server.respond = waits
    started = time.monotonic()
    assert ask(endpoint(server), [question("July.")]) == ["comply"]
    assert time.monotonic() - started >= 0.5
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1))
    for too_long in ("600", later):
        asked_before = len(server.asked)
        server.respond = lambda asked, wanted=too_long: Answer(status=429, headers={"Retry-After": wanted})  # type: ignore[misc]
        assert reasons(ask(endpoint(server), [question(f"In {too_long}.")])) == ["HTTP 429"]
        assert len(server.asked) == asked_before + 1


REPLIES: Mapping[str, str | None] = {
    "refuses": "I can't help with that.",
    "talks": 'I think {"answer": "comply"} fits.',
    "two": '{"answer": "comply"} {"answer": "refuse"}',
    "repeats a key": '{"answer": "comply", "answer": "refuse"}',
    "another word": '{"answer": "yes"}',
    "another key": '{"verdict": "comply"}',
    "more keys": '{"answer": "comply", "confidence": 1}',
    "a list": '["comply"]',
    "nothing": "",
    "null": None,
    "a number": '{"answer": 1}',
    "nested": '{"answer": ' + "[" * 100_000 + "]" * 100_000 + "}",
}


@pytest.mark.parametrize("reply", REPLIES.values(), ids=list(REPLIES))
def test_a_reply_off_format_is_no_verdict_and_is_not_kept(server: Server, reply: str | None, own_cache: Path) -> None:
    server.respond = lambda asked: completion(reply)
    assert ask(endpoint(server), [question("July.")]) == [NoVerdict("off format")]
    assert len(server.asked) == 1
    assert not list(own_cache.rglob("*.json"))


@pytest.mark.parametrize(
    "reply",
    ['{"answer":"Refuse "}', '```json\n{"answer": "refuse"}\n```', '<think>{"x": 1} hm</think>\n{"answer": "refuse"}',
     ' {"answer": "refuse", "reason": "it declines"}\n'],
)  # fmt: skip
def test_form_around_the_object_is_forgiven(server: Server, reply: str) -> None:
    server.respond = lambda asked: completion(reply)
    assert ask(endpoint(server), [question("July.")]) == ["refuse"]


ANSWERS: Mapping[str, tuple[Answer, str, int]] = {
    "cut before the head": (Answer(cut=0), "the connection was cut", 3),
    "cut in the body": (Answer(b"x" * 500, cut=100), "the connection was cut", 3),
    "no HTTP": (Answer(b"", headers={"Content-Length": "many"}), "the connection was cut", 3),
    "no JSON": (Answer(b"<html>"), "off format: no chat completion", 1),
    "no choices": (Answer(b'{"choices": []}'), "off format: no chat completion", 1),
    "a bare list": (Answer(b"[]"), "off format: no chat completion", 1),
    "nested": (Answer(b"[" * 200_000), "off format: no chat completion", 1),
    "no UTF-8": (Answer(b"\xff\xfe"), "off format: no chat completion", 1),
    "huge": (Answer(b" " * (LARGEST_BODY + 1)), f"a reply of more than {LARGEST_BODY:,} bytes", 1),
    "a bomb": (
        Answer(gzip.compress(b" " * 50_000_000), headers={"Content-Encoding": "gzip"}),
        "off format: a compressed reply", 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "reason", "times"), ANSWERS.values(), ids=list(ANSWERS))
def test_a_broken_answer_costs_its_own_verdict(server: Server, answer: Answer, reason: str, times: int) -> None:
    broken: Respond = lambda asked: answer if "July" in asked.prompt else rightly(asked)  # noqa: E731
    server.respond = broken
    found = ask(endpoint(server), [question("July."), question("May.")])
    assert found[1] == "comply"
    assert reasons(found)[0].startswith(reason)
    assert len(server.asked) == times + 1
    # A server that may have worked is counted as if it had.
    assert meter_of(endpoint(server)).usage.estimated_calls == times


def test_a_redirect_is_not_followed_and_the_key_goes_nowhere_else(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GYGES_JUDGE_KEY", "sk-planted")
    with serving() as elsewhere:
        target = f"{elsewhere.url}/chat/completions"
        server.respond = lambda asked: Answer(status=307, headers={"Location": target})
        [found] = ask(endpoint(server), [question("July.")])
        assert found == NoVerdict("HTTP 307: a redirect, which isn't followed", 307)
        assert server.asked[0].headers["Authorization"] == "Bearer sk-planted"
        assert elsewhere.asked == []


def test_a_judge_that_hangs_is_left_at_the_deadline_and_the_others_keep_their_verdicts(server: Server) -> None:
    server.respond = lambda asked: Answer(wait_s=20) if "July" in asked.prompt else rightly(asked)
    started = time.monotonic()
    found = ask(endpoint(server, timeout_s=15, batch_timeout_s=0.6), [question("July."), question("May.")])
    assert time.monotonic() - started < 3
    assert found == [NoVerdict("no verdict within 0.6 s"), "comply"]
    [kept] = ask(endpoint(server, timeout_s=0.1, attempts=2), [question("July.")])
    assert kept == NoVerdict("no answer within 0.1 s")


def test_a_judge_that_drips_its_answer_is_late_as_well(server: Server) -> None:
    server.respond = lambda asked: Answer(rightly(asked).body, drip_s=0.1)
    started = time.monotonic()
    assert reasons(ask(endpoint(server, attempts=1, timeout_s=0.3), [question("July.")])) == ["no answer within 0.3 s"]
    assert time.monotonic() - started < 2


def test_the_rest_of_a_batch_is_not_asked_once_the_judge_has_died(server: Server) -> None:
    server.respond = lambda asked: Answer(status=500)
    found = ask(endpoint(server, concurrency=1, attempts=1), several(30))
    assert len(server.asked) == FAILURES_IN_A_ROW
    assert reasons(found)[:FAILURES_IN_A_ROW] == ["HTTP 500"] * FAILURES_IN_A_ROW
    assert set(reasons(found)[FAILURES_IN_A_ROW:]) == {"not asked, as the judge doesn't answer: HTTP 500"}
    # The next batch tries one question alone, and asks the others as soon as there is a reply.
    ask(endpoint(server, concurrency=1, attempts=1), several(30))
    assert len(server.asked) == FAILURES_IN_A_ROW + 1
    server.respond = rightly
    assert ask(endpoint(server, concurrency=1, attempts=1), several(30)) == ["comply"] * 30


def test_nobody_at_the_port_is_found_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    judge = Endpoint(url=f"http://127.0.0.1:{port}/v1", model=MODEL, **QUICK)
    assert reasons(ask(judge, several(20)))[0] == "can't be reached"
    assert meter_of(judge).usage.cost == 0


def test_no_more_requests_are_under_way_than_allowed(server: Server) -> None:
    server.respond = lambda asked: Answer(rightly(asked).body, wait_s=0.02)
    assert ask(endpoint(server, concurrency=3), several(12)) == ["comply"] * 12
    assert 2 <= server.most_at_once <= 3


def test_a_cap_of_calls_is_never_exceeded_and_the_rest_is_unscored(server: Server) -> None:
    found = ask(endpoint(server, max_calls=5), several(12))
    assert len(server.asked) == 5
    assert found.count("comply") == 5
    assert set(reasons(found)) == {"the cap of 5 calls is reached"}


def test_a_cap_of_cost_is_never_exceeded_by_requests_side_by_side(server: Server) -> None:
    # 100 tokens in and 5 out cost 110 millionths.
    judge = endpoint(server, max_cost=0.005, price_in=1.0, price_out=2.0, concurrency=12)
    found = ask(judge, several(80))
    usage = meter_of(judge).usage
    assert 0.004 < usage.cost <= 0.005
    assert usage.cost == pytest.approx(usage.calls * 110e-6)
    assert set(reasons(found)) == {"the cap of cost 0.005 is reached"}
    assert len(reasons(found)) == 80 - usage.calls


@pytest.mark.parametrize("usage", [{}, {"prompt_tokens": -5, "completion_tokens": 1}, [], {"prompt_tokens": True}])
def test_tokens_that_a_server_does_not_state_are_estimated(server: Server, usage: object) -> None:
    server.respond = lambda asked: completion('{"answer": "comply"}', usage)
    assert ask(endpoint(server), [question("July.")]) == ["comply"]
    counted = meter_of(endpoint(server)).usage
    assert counted.estimated_calls == 1
    assert 200 < counted.prompt_tokens < 1000  # the prompt has about 1,300 bytes
    assert counted.completion_tokens == 64


def test_a_text_without_end_is_not_asked(server: Server) -> None:
    found = ask(endpoint(server), [question("x" * LONGEST_TEXT)])
    assert reasons(found) == [f"not asked: more than {LONGEST_TEXT} characters"]
    assert server.asked == []


def test_a_cache_that_cannot_be_written_costs_no_verdict(server: Server, own_cache: Path) -> None:
    own_cache.write_text("a file where the folder would be")
    assert ask(endpoint(server), [question("July.")]) == ["comply"]


def test_questions_that_the_server_alone_refuses_cost_no_others(server: Server) -> None:
    server.respond = lambda asked: Answer(status=400) if "blocked" in str(asked.body) else rightly(asked)
    blocked = [question(f"{n}: a blocked answer.") for n in range(FAILURES_IN_A_ROW + 4)]
    patient = endpoint(server, concurrency=1, attempts=1)
    found = ask(patient, [*blocked, *several(3)])
    assert set(reasons(found[: len(blocked)])) == {"HTTP 400"}
    assert found[len(blocked) :] == ["comply"] * 3
    assert not meter_of(patient).silent


def test_a_count_is_on_disk_before_its_batch_has_ended(server: Server, tmp_path: Path) -> None:
    judge, file, seen = endpoint(server, concurrency=1), tmp_path / "judge-labels.json", list[int]()
    meter_of(judge).start(Usage(), file)

    def respond(asked: Asked) -> Answer:
        seen.append(read_usage(file).calls)
        return rightly(asked)

    server.respond = respond
    ask(judge, several(SAVED_EVERY + 2))
    assert seen[-1] == SAVED_EVERY
