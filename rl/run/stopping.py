"""How a run is asked to stop before its end: by a signal, or by whoever watches over its workers."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Protocol

from rl.errors import Interrupted


def never() -> bool:
    """Nobody else asks."""
    return False


@dataclass
class StopRequest:
    """Set by a signal, or found `elsewhere`; read where stopping loses nothing."""

    elsewhere: Callable[[], bool] = never
    requested: bool = False

    def check(self, *_: int) -> None:
        """Raises `Interrupted` where stopping was asked for."""
        if self.requested or self.elsewhere():
            raise Interrupted


Handler = Callable[[int, FrameType | None], object]
REPEAT_S = 1.0  # a terminal signals a whole process group, and a wrapper passes on what it got: repeats are one signal


@contextmanager
def handling(handler: Handler) -> Iterator[None]:
    """Ctrl-C and SIGTERM go to the handler; outside the main thread they are left to whoever runs us there.

    A signal less than a second after one that was handled is dropped, also where the block has ended meanwhile.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handled = (signal.SIGINT, signal.SIGTERM)
    deaf_until = 0.0

    def once(number: int, frame: FrameType | None) -> None:
        nonlocal deaf_until
        if time.monotonic() >= deaf_until:
            deaf_until = time.monotonic() + REPEAT_S
            handler(number, frame)

    old = [signal.signal(number, once) for number in handled]
    try:
        yield
    finally:
        for number, before in zip(handled, old, strict=True):
            signal.signal(number, _deaf(deaf_until, before) if time.monotonic() < deaf_until else before)


def _deaf(until: float, before: Any) -> Handler:
    """A handler that drops signals for a moment and then gives its place back to the one `before` it."""

    def late(number: int, frame: FrameType | None) -> None:
        if time.monotonic() >= until:
            signal.signal(number, before)
            signal.raise_signal(number)

    return late


def end(number: int, frame: FrameType | None) -> None:
    """Ends what is under way: a handler for where nothing is to be saved yet."""
    raise KeyboardInterrupt


class Requested(Protocol):
    """What a signal sets: of a run, or of a sweep."""

    requested: bool


@contextmanager
def signals(stop: Requested) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM asks to stop where that loses nothing; another, a second later, stops at once."""

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.requested:
            raise KeyboardInterrupt
        stop.requested = True

    with handling(ask):
        yield
