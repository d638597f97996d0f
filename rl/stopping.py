"""How a run is asked to stop before its end: by a signal, or by whoever watches over its workers."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

from rl.endings import Interrupted


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


@contextmanager
def handling(handler: Handler) -> Iterator[None]:
    """Ctrl-C and SIGTERM go to the handler; outside the main thread they are left to whoever runs us there."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handled = (signal.SIGINT, signal.SIGTERM)
    old: list[Handler | int | None] = [signal.signal(number, handler) for number in handled]
    try:
        yield
    finally:
        for number, before in zip(handled, old, strict=True):
            signal.signal(number, before)


class Requested(Protocol):
    """What a signal sets: of a run, or of a sweep."""

    requested: bool


@contextmanager
def signals(stop: Requested) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM asks to stop where that loses nothing; a second stops at once."""

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.requested:
            raise KeyboardInterrupt
        stop.requested = True

    with handling(ask):
        yield
