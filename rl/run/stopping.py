"""Requests to stop a run before its end, by a signal or by the process that watches over its workers."""

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
    """Return False: no other process asks to stop."""
    return False


@dataclass
class StopRequest:
    """Request to stop, set by a signal or found by `elsewhere`; read at points where stopping loses nothing."""

    elsewhere: Callable[[], bool] = never
    requested: bool = False

    def check(self, *_: int) -> None:
        """Raise `Interrupted` if a stop was asked for."""
        if self.requested or self.elsewhere():
            raise Interrupted


Handler = Callable[[int, FrameType | None], object]
REPEAT_S = 1.0  # repeats are one signal: a terminal signals the whole process group, and a wrapper passes its own on


@contextmanager
def handling(handler: Handler) -> Iterator[None]:
    """Send Ctrl-C and SIGTERM to the handler while the block runs.

    Outside the main thread the signals stay with their present handlers. A signal less than a second after a handled
    signal is dropped, even after the block has ended.
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
    """Return a handler that drops signals until the time `until`, and then puts `before` back in its place."""

    def late(number: int, frame: FrameType | None) -> None:
        if time.monotonic() >= until:
            signal.signal(number, before)
            signal.raise_signal(number)

    return late


def end(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, as the handler of signals while there is nothing to save."""
    raise KeyboardInterrupt


class Requested(Protocol):
    """Target of a stop signal: a run or a sweep."""

    requested: bool


@contextmanager
def signals(stop: Requested) -> Iterator[None]:
    """Turn the first Ctrl-C or SIGTERM into a request to stop where stopping loses nothing.

    Another signal, at least a second later, stops at once.
    """

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.requested:
            raise KeyboardInterrupt
        stop.requested = True

    with handling(ask):
        yield
