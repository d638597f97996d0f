"""Contenders in a timing.

Each takes training steps in a process of its own, one step a request, and idles in between.
"""

import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

from benchmarks.arithmetic import Operations
from rl.run.config import RunConfig


@dataclass(frozen=True)
class Order:
    """An order to a contender: `steps` steps of `config`.

    `count`: count operations, which takes longer.
    """

    config: RunConfig
    steps: int
    count: bool = False


@dataclass(frozen=True)
class TimedStep:
    """One training step: seconds by part and in total, and how much was generated.

    The total includes the time between the parts. `longest` is the longest completion, in tokens. `executed` and
    `necessary` are operations, where they were counted. The seconds of a counted step mean nothing. `cpu_seconds` is
    the processor time of all threads, which other work on the machine moves less.
    """

    seconds_rollout: float
    seconds_reward: float
    seconds_update: float
    seconds_total: float
    generated_tokens: int
    completions: int
    longest: int
    reward_mean: float
    cpu_seconds: float = 0.0
    executed: Operations | None = None
    necessary: Operations | None = None


Serve = Callable[[Connection, Order], None]


class Contender:
    """A process that serves steps.

    `serve` reports when it is ready, then answers each request with a `TimedStep`.
    """

    def __init__(self, name: str, serve: Serve, order: Order) -> None:
        self.name = name
        # Spawned, not forked: importing a library changes the state of a process.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, order), name=name, daemon=True)
        self._process.start()
        theirs.close()
        self._receive()

    def step(self) -> TimedStep:
        """Request one step and wait for it."""
        self._connection.send("step")
        received = self._receive()
        assert isinstance(received, TimedStep)
        return received

    def _receive(self) -> object:
        try:
            return self._connection.recv()
        except (EOFError, ConnectionResetError) as error:
            raise RuntimeError(f"contender {self.name} ended early: its own error is printed above") from error

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.terminate()
        self._process.join()


@contextmanager
def contenders(serves: Mapping[str, Serve], order: Order) -> Iterator[list[Contender]]:
    """Start all contenders, one after the other, and end them with the block."""
    started: list[Contender] = []
    try:
        for name, serve in serves.items():
            started.append(Contender(name, serve, order))
        yield started
    finally:
        for contender in started:
            contender.close()


def interleaved(
    among: list[Contender], rounds: int, heard: Callable[[int], None] = lambda _: None
) -> dict[str, list[TimedStep]]:
    """Take the steps of each contender, one a round.

    Each round begins with the next contender, so that none is always first.
    """
    steps: dict[str, list[TimedStep]] = {contender.name: [] for contender in among}
    for done in range(rounds):
        first = done % len(among)
        for contender in among[first:] + among[:first]:
            steps[contender.name].append(contender.step())
        heard(done + 1)
    return steps
