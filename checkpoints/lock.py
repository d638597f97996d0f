"""A lock that allows one writer per run folder.

The process holds `run.lock` through the operating system, which frees it however the holder dies, kill -9 included.
Neither file needs to be deleted by hand. `run.lock.json` only tells a second writer who the holder is.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from checkpoints import atomic
from checkpoints.plain_json import JSON, decode, encode


@contextmanager
def writer_lock(folder: Path, wait_s: float = 0) -> Iterator[None]:
    """Hold the run folder's lock while the block lasts; the folder is created if missing.

    Waits at most `wait_s` seconds. Raises ValueError, naming the holder, if another process (or this one) has the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "run.lock")
    try:
        held = lock.acquire(timeout=wait_s)
    except Timeout:
        raise ValueError(f"run folder {folder} is in use by {_holder(folder)}; wait for it or stop it") from None
    with held:
        started = datetime.now(UTC).isoformat(timespec="seconds")
        card: dict[str, JSON] = {"pid": os.getpid(), "host": socket.gethostname(), "started": started}
        try:
            atomic.write_text(_card(folder), encode(card))
            yield
        finally:
            _card(folder).unlink(missing_ok=True)


def _holder(folder: Path) -> str:
    # The card may be gone by now, or not yet there: both are moments long.
    try:
        card = decode(_card(folder).read_text())
    except (FileNotFoundError, ValueError):
        return "another process"
    assert isinstance(card, Mapping)
    return f"process {card.get('pid')} on {card.get('host')} (since {card.get('started')})"


def _card(folder: Path) -> Path:
    return folder / "run.lock.json"
