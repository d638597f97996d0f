"""One batch of requests side by side: retries, the cap, and a judge that is given up once it stops answering."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import httpx2

from envs.judge import verdict_cache
from envs.judge.client import Failed, Reply, body_of, connected, post
from envs.judge.prompts import Prompt
from envs.judge.questions import Found, NoVerdict
from envs.judge.settings import Endpoint
from envs.judge.usage import WAIT, Meter, Tokens, estimate
from envs.judge.verdicts import read_verdict

LONGEST_WAIT_S = 30.0  # that a server may ask for by Retry-After
LONGEST_BACKOFF_S = 8.0
POLL_S = 0.02  # while calls under way hold what is left of the cap
REFUSED = (401, 403, 404)  # statuses that every question will have
SAVED_EVERY = 20  # calls
FAILURES_IN_A_ROW = 8  # unanswered questions after which the rest of a batch isn't asked


@dataclass
class Batch:
    """The questions of a batch, by the keys of their verdicts, and the signs of a judge that has died.

    `found` fills while the batch runs. `broken` is the reason where no client could be made.
    """

    endpoint: Endpoint
    meter: Meter
    asked: Mapping[str, tuple[Prompt, str]]
    found: dict[str, Found] = field(default_factory=dict)
    broken: str | None = None
    _heard: bool = False  # the judge has replied in this batch
    _capped: bool = False
    _failures: int = 0  # questions in a row without a reply
    _last: str = ""  # the reason of the last failure

    def run(self, key: str | None) -> None:
        """Ask all questions until the deadline, in an event loop of this thread. Raises nothing."""
        try:
            asyncio.run(self._until_the_deadline(key))
        except TimeoutError:
            pass
        except Exception as error:  # noqa: BLE001 - the boundary that records: any failure is data here
            self.broken = f"the judge can't be asked ({type(error).__name__})"

    @property
    def silent(self) -> bool:
        """Tell whether the judge was asked in vain."""
        return not self._heard and not self._capped

    async def _until_the_deadline(self, key: str | None) -> None:
        async with asyncio.timeout(self.endpoint.batch_timeout_s), connected(self.endpoint, key) as client:
            waiting = list(self.asked)
            if self.meter.silent:  # the batch before was: one question alone, with one attempt, finds out
                first = waiting.pop(0)
                self.found[first] = await self._verdict(client, first, attempts=1)
                if self.silent:
                    self._give_up(waiting)
                    return
            gate = asyncio.Semaphore(self.endpoint.concurrency)
            await asyncio.gather(*(self._in_turn(gate, client, name) for name in waiting))

    def _give_up(self, names: list[str]) -> None:
        self.found |= dict.fromkeys(names, NoVerdict(f"not asked, as the judge doesn't answer: {self._last}"))

    async def _in_turn(self, gate: asyncio.Semaphore, client: httpx2.AsyncClient, name: str) -> None:
        async with gate:
            if self._failures >= FAILURES_IN_A_ROW:
                self._give_up([name])
            else:
                self.found[name] = await self._verdict(client, name, self.endpoint.attempts)

    async def _verdict(self, client: httpx2.AsyncClient, name: str, attempts: int) -> Found:
        """Ask one question until there is a reply, and keep a verdict in the cache."""
        prompt, text = self.asked[name]
        body = body_of(self.endpoint, text)
        most = estimate(len(body), self.endpoint.max_tokens)
        failed = Failed("never asked", passing=False)
        for attempt in range(attempts):
            while (capped := self.meter.reserve(most)) == WAIT:
                await asyncio.sleep(POLL_S)
            if capped is not None:
                self._capped = True
                return NoVerdict(capped)
            got = await self._counted(client, body, most)
            if isinstance(got, Reply):
                self._heard, self._failures = True, 0
                verdict = None if got.text is None else read_verdict(prompt, got.text)
                if verdict is None:
                    return NoVerdict("off format")
                verdict_cache.keep(prompt, name, verdict)
                return verdict
            failed = got
            if not got.passing or attempt + 1 == attempts or (got.wait_s or 0.0) > LONGEST_WAIT_S:
                break
            backoff = min(self.endpoint.backoff_s * 2**attempt, LONGEST_BACKOFF_S)
            await asyncio.sleep(max(backoff, got.wait_s or 0.0))
        if failed.status is not None and not failed.passing and failed.status not in REFUSED:
            self._heard, self._failures = True, 0  # the server is there, and doesn't take this one question
        else:
            self._failures += 1
            self._last = failed.reason
        return NoVerdict(failed.reason, failed.status)

    async def _counted(self, client: httpx2.AsyncClient, body: bytes, most: Tokens) -> Reply | Failed:
        """Send one reserved request and count it; a request that is cancelled counts in full."""
        used: Tokens | None = most
        try:
            got = await post(client, self.endpoint, body)
            used = got.tokens
        finally:
            self.meter.settle(most, used)
            if self.meter.usage.calls % SAVED_EVERY == 0:
                with suppress(OSError):  # as at the end of a batch
                    self.meter.save()
        return got
