"""Processes that take a step together: rank, messages and leader.

Where there is one process everything here is the identity. The first process leads: it alone owns the run folder, and
the others learn from it what to do next. What is exchanged is pickled by torch between processes of one run; nothing
that lies on a disk is.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch.distributed as dist

from rl.errors import RunStopped

T = TypeVar("T")


class Released(Exception):
    """The leader has ended the run: what waits for it may go."""


def count() -> int:
    """Count the processes of this run."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Return the number of this process, from 0."""
    return dist.get_rank() if count() > 1 else 0


def gathered(value: T) -> list[T]:
    """Collect every process's value, by rank, in every process."""
    if count() == 1:
        return [value]
    values: list[Any] = [None] * count()
    dist.all_gather_object(values, value)
    return values


def from_leader(value: T | None = None) -> T:
    """Send the leader's value to every process; the others need give none."""
    values: list[Any] = [value]
    if count() > 1:
        dist.broadcast_object_list(values, src=0)
    return values[0]


@contextmanager
def leading() -> Iterator[None]:
    """Let the leader work alone, while the others are in `wait_for_leader`; if it fails they are released."""
    assert rank() == 0
    try:
        yield
    except BaseException:
        from_leader(False)
        raise
    from_leader(True)


def wait_for_leader() -> None:
    """Wait, in a process that follows, until the leader has left its `leading` block.

    Raises:
        Released: if that block failed.
    """
    if not from_leader(None):
        raise Released


def together(work: Callable[[], T]) -> T:
    """Do this process's part. Where one process has to stop the run all do, for the reason of the first.

    Raises:
        RunStopped: as one of them, with its message.
    """
    stopped: RunStopped | None = None
    try:
        result = work()
    except RunStopped as error:
        stopped = error
    reasons = [error for error in gathered(stopped) if error is not None]
    if reasons:
        raise reasons[0]
    return result
