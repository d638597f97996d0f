"""Calls, tokens and cost of a judge, counted over a whole run and held below its cap."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from checkpoints import atomic
from envs.judge.settings import Endpoint

WAIT = "wait"
CAPPED = "the cap"  # a reason for no verdict begins so
BYTES_A_TOKEN = 3  # of English text about 4: an estimate errs on the dear side


class Usage(BaseModel):
    """The count of a run so far. `estimated_calls`: calls whose tokens the server didn't state, and were estimated."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)

    calls: int = Field(default=0, ge=0)
    prompt_tokens: int = Field(default=0, ge=0)
    completion_tokens: int = Field(default=0, ge=0)
    cost: float = Field(default=0.0, ge=0)
    estimated_calls: int = Field(default=0, ge=0)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one call, as the server stated them, or estimated."""

    prompt: int
    completion: int
    estimated: bool = False


def estimate(prompt_bytes: int, completion: int) -> Tokens:
    """Estimate the tokens of a call from the size of its prompt."""
    return Tokens(prompt_bytes // BYTES_A_TOKEN + 1, completion, estimated=True)


class Meter:
    """The running count of one endpoint, shared by all threads of this process, and its file in a run's folder.

    A call is reserved at its highest price before it is sent, so that calls under way can't exceed the cap together.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.silent = False  # the last batch ended without an answer: the next one tries a single question first
        self._usage = Usage()
        self._under_way, self._reserved = 0, 0.0
        self._file: Path | None = None
        self._lock = Lock()

    @property
    def usage(self) -> Usage:
        return self._usage

    def start(self, usage: Usage, file: Path | None) -> None:
        """Count on from `usage`, into a file if one is given."""
        with self._lock:
            self._usage, self._file, self.silent = usage, file, False
        self.save()

    def reserve(self, most: Tokens) -> str | None:
        """Reserve one call of at most so many tokens; return the reason if the cap is reached, else None.

        `WAIT`: the calls under way may cost too much; once they are settled there may be room.
        """
        price, endpoint = self.endpoint.cost(most.prompt, most.completion), self.endpoint
        with self._lock:
            if endpoint.max_calls is not None and self._usage.calls + self._under_way >= endpoint.max_calls:
                return f"{CAPPED} of {endpoint.max_calls} calls is reached"
            if endpoint.max_cost is not None and self._usage.cost + price > endpoint.max_cost:
                return f"{CAPPED} of cost {endpoint.max_cost:g} is reached"
            if endpoint.max_cost is not None and self._usage.cost + self._reserved + price > endpoint.max_cost:
                return WAIT
            self._under_way += 1
            self._reserved += price
        return None

    def settle(self, most: Tokens, used: Tokens | None) -> None:
        """Count a reserved call; `used` is None after an HTTP error, which costs nothing."""
        spent = used or Tokens(0, 0)
        with self._lock:
            self._under_way -= 1
            self._reserved -= self.endpoint.cost(most.prompt, most.completion)
            before = self._usage
            self._usage = Usage(
                calls=before.calls + 1,
                prompt_tokens=before.prompt_tokens + spent.prompt,
                completion_tokens=before.completion_tokens + spent.completion,
                cost=before.cost + self.endpoint.cost(spent.prompt, spent.completion),
                estimated_calls=before.estimated_calls + spent.estimated,
            )

    def save(self) -> None:
        """Write the count to its file, if it has one."""
        with self._lock:
            if self._file is not None:
                atomic.write_text(self._file, json.dumps(self._usage.model_dump(), indent=2) + "\n")


@cache
def meter_of(endpoint: Endpoint) -> Meter:
    """Return the meter of an endpoint, one for equal settings; a run starts it anew."""
    return Meter(endpoint)


def read_usage(file: Path) -> Usage:
    """Read a count; none where there is no file.

    Raises:
        ValueError: in one line, for a file that holds no count.
    """
    if not file.exists():
        return Usage()
    try:
        return Usage.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise ValueError(
            f"{file} holds no count of a judge's calls: restore it from a copy, or remove it to count from 0"
        ) from error
