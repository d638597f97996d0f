"""How a run is asked to stop before its end: by a signal, or by whoever watches over its workers."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

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


@contextmanager
def signals(stop: StopRequest) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM asks the loop to stop after its step; a second Ctrl-C stops at once."""

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.requested:
            raise KeyboardInterrupt
        stop.requested = True

    if threading.current_thread() is not threading.main_thread():  # whoever runs us there handles signals
        yield
        return
    handled = (signal.SIGINT, signal.SIGTERM)
    old: list[Callable[[int, FrameType | None], object] | int | None] = [signal.signal(n, ask) for n in handled]
    try:
        yield
    finally:
        for number, handler in zip(handled, old, strict=True):
            signal.signal(number, handler)
