"""Files and directories that appear whole or not at all.

Content is written under a temporary sibling, `.tmp-NAME-TOKEN`, synced to the disk, then renamed. Beside the sibling
lies `.tmp-NAME-TOKEN.lock`, held by the working process. The operating system frees the lock however the process dies,
so that `sweep_stale` tells a leftover from work in progress without trusting process ids.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

_TEMPORARY = re.compile(r"(?P<stem>\.tmp-(?P<name>.+)-[0-9a-f]{8})(?:\.lock|\.old)?")


def write_text(path: Path, text: str) -> None:
    """Replace the file by `text` in UTF-8, durably; a reader sees the old text or the new one."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Replace the file by `data`, durably; a reader sees the old bytes or the new ones."""
    with _temporary(path) as temporary:
        temporary.write_bytes(data)
        _sync(temporary)
        temporary.replace(path)
        _sync_directory(path.parent)


@contextmanager
def new_directory(final: Path) -> Iterator[Path]:
    """Yield an empty directory to fill; when the block ends it becomes `final`. If the block raises, nothing remains.

    A `final` that exists is replaced. A directory can't be renamed over another, so there is a moment without either.
    Should the process die in it, the next `sweep_stale` puts the old directory back.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    with _temporary(final) as temporary:
        temporary.mkdir()
        yield temporary
        for path in temporary.rglob("*"):
            _sync_directory(path) if path.is_dir() else _sync(path)
        _sync_directory(temporary)
        if final.exists():
            final.rename(_aside(temporary))
        temporary.rename(final)
        _sync_directory(final.parent)


def remove_directory(path: Path) -> None:
    """Remove a directory in one atomic step.

    If the process is killed in the middle, the next `sweep_stale` removes the leftovers.
    """
    with _temporary(path) as temporary:
        path.rename(temporary)
        _sync_directory(path.parent)


def sweep_stale(folder: Path) -> list[str]:
    """Remove half-written leftovers of dead processes from `folder`; return their names.

    Call it with the run's lock in hand, before looking for the latest checkpoint. Work in progress is left alone.
    """
    if not folder.is_dir():
        return []
    matches = [_TEMPORARY.fullmatch(path.name) for path in folder.iterdir()]
    stems = {match["stem"]: match["name"] for match in matches if match}
    swept = []
    for stem, name in sorted(stems.items()):
        temporary = folder / stem
        lock = FileLock(_lock_file(temporary))
        with suppress(Timeout), lock.acquire(timeout=0):
            _clear(temporary, folder / name)
            swept.append(name)
    return swept


@contextmanager
def _temporary(final: Path) -> Iterator[Path]:
    # The lock comes first: at no moment is there a temporary that a concurrent sweep could take for a leftover.
    temporary = final.with_name(f".tmp-{final.name}-{secrets.token_hex(4)}")
    with FileLock(_lock_file(temporary)):
        try:
            yield temporary
        finally:
            _clear(temporary, final)


def _clear(temporary: Path, final: Path) -> None:
    """Remove the temporary, put back a `final` that was set aside and not replaced, and last the lock's file."""
    aside = _aside(temporary)
    if aside.exists() and not final.exists():
        aside.rename(final)
    for leftover in (temporary, aside):
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink(missing_ok=True)
    # Safe while held: filelock sees that the file it locked has lost its name, and tries again.
    _lock_file(temporary).unlink(missing_ok=True)


def _aside(temporary: Path) -> Path:
    return temporary.with_name(f"{temporary.name}.old")


def _lock_file(temporary: Path) -> Path:
    return temporary.with_name(f"{temporary.name}.lock")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_directory(path: Path) -> None:
    # Some network file systems can't sync a directory and say so with these two; a real fault (EIO) goes through.
    try:
        _sync(path)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
