"""Settings of a judge: what is refused, and that no refusal repeats a secret."""

import pytest
from pydantic import ValidationError

from envs.judge.key import key_of
from envs.judge.settings import Endpoint, Judge


@pytest.mark.parametrize(
    "url",
    [
        "https://me:sk-planted@judge.example/v1", "https://sk-planted@judge.example", "https://judge.example?key=sk-planted",
        "https://judge.example/v1#sk-planted", "ftp://sk-planted", "sk-planted", "http://", "http://host:port-sk-planted",
        "http://a b/sk-planted", "http://judge.example/\nsk-planted", "http://sk-planted:0/v1",
    ],
)  # fmt: skip
def test_a_url_that_is_none_or_may_hold_a_secret_is_refused_unrepeated(url: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Judge(url=url, model="m")
    assert "sk-planted" not in refused.value.errors()[0]["msg"]


def test_a_url_is_kept_without_the_chat_path() -> None:
    for given in ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1/chat/completions"):
        judge = Endpoint(url=given, model="m")
        assert (judge.url, judge.address) == ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1/chat/completions")


@pytest.mark.parametrize(
    ("url", "loopback"),
    [("http://127.0.0.1:1/v1", True), ("http://[::1]:1/v1", True), ("http://localhost/v1", True),
     ("http://127.0.0.1.example/v1", False), ("http://10.0.0.1/v1", False), ("https://localhost.example", False)],
)  # fmt: skip
def test_loopback_is_told_by_the_host(url: str, loopback: bool) -> None:
    assert Endpoint(url=url, model="m").is_loopback is loopback


@pytest.mark.parametrize(
    "settings",
    [{"max_cost": 1.0}, {"labels": []}, {"labels": ["answer", "answer"]}, {"labels": ["quality"]}, {"model": "a\nb"},
     {"key_variable": "sk-planted-0123"}, {"key_variable": "skplanted0123"}, {"key": "sk-planted"}, {"attempts": 0}],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as refused:
        Judge.model_validate({"url": "http://127.0.0.1:1/v1", "model": "m", **settings})
    assert "planted" not in refused.value.errors()[0]["msg"]


def test_the_cap_is_said_in_words_with_its_prices() -> None:
    assert Endpoint().cap == "none"
    assert Endpoint(max_calls=50).cap == "50 calls"
    capped = Endpoint(max_calls=50, max_cost=2.5, price_in=0.15, price_out=0.6)
    assert capped.cap == "50 calls or cost 2.5 at 0.15 in and 0.6 out per million tokens"
    assert capped.cost(1_000_000, 500_000) == pytest.approx(0.45)


def test_a_key_is_needed_away_from_loopback_and_never_travels_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    near, far, clear = (
        Endpoint(url=url, model="m") for url in ("http://127.0.0.1:1", "https://judge.example", "http://judge.example")
    )
    assert key_of(near) is None
    for endpoint in (far, clear):
        with pytest.raises(ValueError, match="needs a key: set the environment variable GYGES_JUDGE_KEY"):
            key_of(endpoint)
    monkeypatch.setenv("GYGES_JUDGE_KEY", " sk-planted\n")
    assert key_of(near) == key_of(far) == "sk-planted"
    with pytest.raises(ValueError, match=r"would travel to http://judge\.example in the clear") as refused:
        key_of(clear)
    assert "planted" not in str(refused.value)
    assert key_of(clear.model_copy(update={"key_variable": None})) is None
    for malformed in ("sk planted", "sk-plänted", "sk\rplanted"):
        monkeypatch.setenv("GYGES_JUDGE_KEY", malformed)
        with pytest.raises(ValueError, match="blanks or characters outside ASCII") as refused:
            key_of(far)
        assert malformed not in str(refused.value)


@pytest.mark.parametrize("scheme", ["HTTP", "Http", "HTTPS", "hTTps"])
def test_a_scheme_in_capitals_passes_no_guard_of_the_key(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GYGES_JUDGE_KEY", "sk-planted")
    judge = Endpoint(url=f"{scheme}://judge.example/v1", model="m")
    assert judge.url == f"{scheme.lower()}://judge.example/v1"
    if scheme.lower() == "http":
        with pytest.raises(ValueError, match="http"):
            key_of(judge)
    else:
        assert key_of(judge) == "sk-planted"
