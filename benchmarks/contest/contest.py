"""Contenders: each takes training steps in a process of its own, one when it is told to, and idles in between."""

import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

from benchmarks.arithmetic import Operations
from rl.run.config import RunConfig


@dataclass(frozen=True)
class Order:
    """What a contender is to do: `steps` steps of `config`, counting its operations or not, which takes longer."""

    config: RunConfig
    steps: int
    count: bool = False


@dataclass(frozen=True)
class TimedStep:
    """One training step: seconds by part and as a whole, and how much was generated.

    The whole holds what lies between the parts as well. `longest` is the longest completion, in tokens. The operations
    are those executed and those that nobody could do without, where they were counted; then the seconds say nothing.
    """

    seconds_rollout: float
    seconds_reward: float
    seconds_update: float
    seconds_total: float
    generated_tokens: int
    completions: int
    longest: int
    reward_mean: float
    executed: Operations | None = None
    necessary: Operations | None = None


Serve = Callable[[Connection, Order], None]


class Contender:
    """A process that serves steps. `serve` says when it is ready, then answers each request with a `TimedStep`."""

    def __init__(self, name: str, serve: Serve, order: Order) -> None:
        self.name = name
        # Spawned, not forked: libraries change what a process is like as soon as they are imported.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, order), name=name, daemon=True)
        self._process.start()
        theirs.close()
        self._receive()

    def step(self) -> TimedStep:
        """Takes one step and waits for it."""
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
        """Ends the process."""
        self._connection.close()
        self._process.terminate()
        self._process.join()


@contextmanager
def contenders(serves: Mapping[str, Serve], order: Order) -> Iterator[list[Contender]]:
    """All contenders, ready; started one after the other, ended with the block."""
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
    """Each contender's steps, one a round; every round starts with the next one, so that none is always first."""
    steps: dict[str, list[TimedStep]] = {contender.name: [] for contender in among}
    for done in range(rounds):
        first = done % len(among)
        for contender in among[first:] + among[:first]:
            steps[contender.name].append(contender.step())
        heard(done + 1)
    return steps
