"""Settings of a judge: the endpoint, the model, the limits in time and money. The key is never among them."""

from ipaddress import ip_address
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

JudgedLabel = Literal["answer", "faking"]
CHAT_PATH = "/chat/completions"
MILLION = 1e6


class Endpoint(BaseModel):
    """A model behind an OpenAI-compatible endpoint, such as a vLLM or llama.cpp server, and the limits of asking it.

    The key comes from the environment variable `key_variable`, whose name alone is recorded. A loopback `url` needs no
    key. Prices are per million tokens, in any currency.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    url: str = Field(default="", max_length=500, description="Base URL, such as http://127.0.0.1:8000/v1.")
    model: str = Field(default="", max_length=200, description="Name of the model at the endpoint.")
    # Capitals alone: a key that is pasted here by mistake is refused, and so never recorded.
    key_variable: str | None = Field(
        default="GYGES_JUDGE_KEY",
        pattern=r"^[A-Z_][A-Z0-9_]{0,99}$",
        description="Environment variable that holds the key, in capitals; null: no key is sent.",
    )
    timeout_s: float = Field(default=20.0, gt=0, description="Seconds that one request may take.")
    batch_timeout_s: float = Field(
        default=50.0, gt=0, description="Seconds for all verdicts of a batch; the others are unscored."
    )
    concurrency: int = Field(default=8, ge=1, le=256, description="Requests under way at a time.")
    attempts: int = Field(default=3, ge=1, le=10, description="Requests for one verdict, while they fail.")
    backoff_s: float = Field(default=0.5, gt=0, le=60, description="Seconds before a second request; then they double.")
    temperature: float = Field(default=0.0, ge=0, le=2)
    max_tokens: int = Field(default=64, ge=1, le=100_000, description="Longest reply; a model that thinks needs more.")
    max_calls: int | None = Field(default=None, ge=1, description="Requests of a run; null: no limit.")
    max_cost: float | None = Field(default=None, gt=0, description="Cost of a run by the prices; null: no limit.")
    price_in: float = Field(default=0.0, ge=0, description="Price of a million tokens of the prompt.")
    price_out: float = Field(default=0.0, ge=0, description="Price of a million tokens of the reply.")

    @field_validator("url")
    @classmethod
    def _is_plain(cls, url: str) -> str:
        return url and _plain(url)

    @field_validator("model")
    @classmethod
    def _is_printable(cls, model: str) -> str:
        if not model.isprintable() or model != model.strip():
            raise ValueError("a model's name is printable text without blanks at its ends")
        return model

    @model_validator(mode="after")
    def _cap_has_prices(self) -> Any:
        if self.max_cost is not None and not self.price_in + self.price_out:
            raise ValueError("max_cost needs the prices price_in and price_out, or take max_calls for a limit")
        return self

    @property
    def address(self) -> str:
        """The URL that requests go to."""
        return self.url + CHAT_PATH

    @property
    def is_loopback(self) -> bool:
        """Tell whether the endpoint is on this machine."""
        host = urlsplit(self.url).hostname or ""
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    @property
    def cap(self) -> str:
        """The limits of calls and cost, in words."""
        calls = [] if self.max_calls is None else [f"{self.max_calls} calls"]
        cost = [] if self.max_cost is None else [f"cost {self.max_cost:g}"]
        prices = [f"at {self.price_in:g} in and {self.price_out:g} out per million tokens"] if cost else []
        return " ".join([" or ".join(calls + cost), *prices]) or "none"

    def cost(self, prompt_tokens: float, completion_tokens: float) -> float:
        """Compute the price of so many tokens."""
        return (prompt_tokens * self.price_in + completion_tokens * self.price_out) / MILLION


class Judge(Endpoint):
    """The judge of an environment's labels: `answer`, `faking` or both."""

    labels: tuple[JudgedLabel, ...] = Field(
        default=("answer", "faking"), min_length=1, description="Labels that the judge gives: answer, faking."
    )

    @field_validator("labels")
    @classmethod
    def _are_distinct(cls, labels: tuple[JudgedLabel, ...]) -> tuple[JudgedLabel, ...]:
        if len(set(labels)) < len(labels):
            raise ValueError("labels names a label twice: leave one of the two out")
        return labels


def _plain(url: str) -> str:
    """Return a base URL without a slash or the chat path at its end, its scheme in lower case.

    No error repeats the URL: it may hold a key.

    Raises:
        ValueError: for another scheme than http and https, no host, a user name, a query or a fragment.
    """
    if not url.isprintable() or not url.isascii() or " " in url:
        raise ValueError("the URL holds characters that no URL has: write one such as http://127.0.0.1:8000/v1")
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise ValueError("not an http or https URL with a host: write one such as http://127.0.0.1:8000/v1")
    if "@" in parts.netloc or "?" in url or "#" in url:
        raise ValueError(
            "a user name, a query or a fragment in the URL may hold a secret, which config.json would record: leave it "
            "out, and give the key by the environment variable that key_variable names"
        )
    lowered = parts.scheme + url[len(parts.scheme) :]  # guards of the key compare it
    return lowered.rstrip("/").removesuffix(CHAT_PATH).rstrip("/")
