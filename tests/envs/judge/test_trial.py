"""The trial of a judge: each fault is one line with its fix, before anything is built."""

from collections.abc import Mapping
from typing import Any

import pytest

from envs.judge.settings import Endpoint
from envs.judge.trial import require_judge
from envs.judge.usage import Usage, meter_of, read_usage
from tests.envs.judge.server import MODEL, Answer, Server, completion

QUICK: Mapping[str, Any] = {"timeout_s": 5.0, "batch_timeout_s": 20.0, "backoff_s": 0.01}
FAULTS: Mapping[str, tuple[Answer, str]] = {
    "401": (Answer(b"sk-planted is wrong", status=401), "HTTP 401; set the environment variable GYGES_JUDGE_KEY to"),
    "404": (Answer(status=404), "HTTP 404; check env.judge.url and env.judge.model, small-judge"),
    "hangs": (Answer(wait_s=10), "no answer within 0.2 s; start the server, or check env.judge.url"),
    "refuses": (completion("I can't help with that."), "off format; choose another env.judge.model, or raise"),
    "no API": (Answer(b"<html>hello</html>"), "off format: no chat completion; choose another"),
    "moved": (Answer(status=308, headers={"Location": "http://127.0.0.1:1"}), "HTTP 308: a redirect, which isn't foll"),
}  # fmt: skip


def refused(endpoint: Endpoint, limit: float = 60.0) -> str:
    with pytest.raises(ValueError, match=r"^[^\n]+$") as found:
        require_judge(endpoint, ("answer", "faking"), "env.judge", ("label_timeout_s", limit))
    return str(found.value)


@pytest.mark.parametrize(("answer", "said"), FAULTS.values(), ids=list(FAULTS))
def test_a_judge_that_fails_is_refused(
    server: Server, answer: Answer, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GYGES_JUDGE_KEY", "sk-planted")
    server.respond = lambda asked: answer
    patience = {"timeout_s": 0.2} if answer.wait_s else {}
    line = refused(Endpoint(url=server.url, model=MODEL, **{**QUICK, **patience}))
    assert line.startswith(f"the judge at {server.url} failed on trial: {said}")
    assert "planted" not in line


def test_settings_that_are_missing_or_too_slow_are_refused_without_a_request(server: Server) -> None:
    assert "env.judge.url is empty: set it, as in --set env.judge.url=" in refused(Endpoint(model=MODEL))
    assert "env.judge.model is empty" in refused(Endpoint(url=server.url))
    far = Endpoint(url="https://judge.example/v1", model=MODEL)
    assert refused(far).startswith("env.judge: https://judge.example/v1 needs a key: set the environment variable")
    slow = Endpoint(url=server.url, model=MODEL)
    assert "env.judge.batch_timeout_s=50 leaves no 5 s below label_timeout_s=54" in refused(slow, 54)
    assert server.asked == []


def test_nobody_at_the_port_is_said(server: Server) -> None:
    server.stop()
    assert "failed on trial: can't be reached; start the server" in refused(
        Endpoint(url=server.url, model=MODEL, **QUICK)
    )


def test_a_judge_that_answers_passes_whatever_is_in_the_cache(server: Server) -> None:
    judge = Endpoint(url=server.url, model=MODEL, **QUICK)
    for _ in range(2):
        require_judge(judge, ("answer", "faking", "helpfulness"), "env.judge", ("label_timeout_s", 60))
    assert sorted(asked.kind for asked in server.asked) == sorted(["answer", "faking", "helpfulness"] * 2)
    assert meter_of(judge).usage.calls == 6


def test_a_count_on_disk_that_is_damaged_is_refused_and_a_missing_one_is_zero(tmp_path: Any) -> None:
    file = tmp_path / "judge-labels.json"
    assert read_usage(file) == Usage()
    for text in ("", "{", '{"calls": -1}', '{"calls": 1, "more": 2}', '{"cost": NaN}', "[]"):
        file.write_text(text)
        with pytest.raises(ValueError, match="holds no count of a judge's calls: restore it from a copy, or remove it"):
            read_usage(file)


def test_a_cap_that_a_resumed_run_has_reached_is_no_fault(server: Server) -> None:
    capped = Endpoint(url=server.url, model=MODEL, max_calls=2, **QUICK)
    meter_of(capped).start(Usage(calls=2), None)
    assert "the cap of 2 calls is reached; raise env.judge.max_calls" in refused(capped)
    require_judge(capped, ("answer",), "env.judge", ("label_timeout_s", 60), spent=True)
    assert server.asked == []
