"""One request to an OpenAI-compatible endpoint: bounded in time and size, never redirected, its failures as data."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from envs.judge.settings import Endpoint
from envs.judge.usage import Tokens, estimate

LARGEST_BODY = 1_000_000  # bytes of a reply; a verdict has a few hundred
MOST_TOKENS = 10**9  # that a server may state for one call
# Time-outs, early replies, overload and faults of the server: another attempt may succeed.
PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
REFUSED_KEY = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class Reply:
    """The text of a reply and the tokens of its call. `text` is None for a reply without text."""

    text: str | None
    tokens: Tokens


@dataclass(frozen=True, slots=True)
class Failed:
    """A request without a reply. `passing`: another attempt may succeed, after `wait_s` seconds if the server said so.

    `tokens` is None where the server answered with an error, and wasn't asked in vain.
    """

    reason: str
    passing: bool
    wait_s: float | None = None
    tokens: Tokens | None = None
    status: int | None = None


@asynccontextmanager
async def connected(endpoint: Endpoint, key: str | None) -> AsyncIterator[httpx2.AsyncClient]:
    """Open a client for one batch. The key stands in its header alone, and is sent to `endpoint.url` alone."""
    headers = {"Accept-Encoding": "identity", "Content-Type": "application/json", "User-Agent": "gyges"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    async with httpx2.AsyncClient(
        headers=headers,
        timeout=endpoint.timeout_s,
        follow_redirects=False,  # a redirect would carry the key elsewhere
        trust_env=not endpoint.is_loopback,  # proxies and certificates of the user; this machine needs none
        verify=endpoint.url.startswith("https:"),  # certificates load slowly, and without TLS nobody shows one
        limits=httpx2.Limits(max_connections=endpoint.concurrency),
    ) as client:
        yield client


def body_of(endpoint: Endpoint, prompt: str) -> bytes:
    """Write the body of a request."""
    asked = {
        "model": endpoint.model,
        "messages": [{"role": "user", "content": prompt}],
        "temperature": endpoint.temperature,
        "max_tokens": endpoint.max_tokens,
    }
    return json.dumps(asked, ensure_ascii=False).encode()


async def post(client: httpx2.AsyncClient, endpoint: Endpoint, body: bytes) -> Reply | Failed:
    """Send one request. Raises nothing but cancellation; no reason quotes the server or an exception.

    Either may repeat the key.
    """
    unknown = estimate(len(body), endpoint.max_tokens)  # the server may have worked, and will charge for it
    try:
        async with asyncio.timeout(endpoint.timeout_s), client.stream("POST", endpoint.address, content=body) as got:
            if got.status_code != 200:
                return _refused(got)
            if got.headers.get("content-encoding", "identity") != "identity":
                return Failed("off format: a compressed reply", passing=False, tokens=unknown)
            content = bytearray()
            async for part in got.aiter_raw():
                content += part
                if len(content) > LARGEST_BODY:
                    return Failed(f"a reply of more than {LARGEST_BODY:,} bytes", passing=False, tokens=unknown)
    except (TimeoutError, httpx2.TimeoutException):
        return Failed(f"no answer within {endpoint.timeout_s:g} s", passing=True, tokens=unknown)
    except httpx2.ConnectError:
        return Failed("can't be reached", passing=True)
    except httpx2.NetworkError:
        return Failed("the connection was cut", passing=True, tokens=unknown)
    except httpx2.RemoteProtocolError:
        return Failed("the connection was cut, or doesn't speak HTTP", passing=True, tokens=unknown)
    except Exception as error:  # noqa: BLE001 - the boundary that records: any failure is data here
        return Failed(f"the request failed ({type(error).__name__})", passing=False, tokens=unknown)
    return _read(bytes(content), unknown)


def _refused(got: httpx2.Response) -> Failed:
    status = got.status_code
    if 300 <= status < 400:
        return Failed(f"HTTP {status}: a redirect, which isn't followed", passing=False, status=status)
    wait_s = _retry_after(got.headers.get("retry-after", "")) if status in (429, 503) else None
    return Failed(f"HTTP {status}", passing=status in PASSING, wait_s=wait_s, status=status)


def _retry_after(value: str) -> float | None:
    """Read a Retry-After header, of seconds or a date, in seconds from now; None for anything else."""
    try:
        seconds = float(value) if value.strip()[:1].isdigit() else _until(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _until(date: str) -> float:
    moment = parsedate_to_datetime(date)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _read(content: bytes, unknown: Tokens) -> Reply | Failed:
    """Take text and tokens out of a body."""
    try:
        body = json.loads(content)
        text = body["choices"][0]["message"]["content"]
    except (ValueError, RecursionError, LookupError, TypeError):
        return Failed("off format: no chat completion", passing=False, tokens=unknown)
    return Reply(text if isinstance(text, str) else None, _stated(body.get("usage")) or unknown)


def _stated(usage: Any) -> Tokens | None:
    """Take the tokens that a server states; None for no count, and for a senseless one."""
    if not isinstance(usage, Mapping):
        return None
    prompt, completion = (_count(usage.get(name)) for name in ("prompt_tokens", "completion_tokens"))
    return None if prompt is None or completion is None else Tokens(prompt, completion)


def _count(value: Any) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return int(value) if whole and 0 <= value <= MOST_TOKENS else None
