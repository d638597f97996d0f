"""A cache of costly builds that their key determines, such as organisms: built once, then found."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from checkpoints import atomic, checksums
from checkpoints.rust_errors import as_os_error


def cached(kind: str, key: str, build: Callable[[Path], None], root: Path | None = None) -> Path:
    """Return the directory `root/kind/key`, which `build(directory)` fills if it isn't there. Treat it as read-only.

    The key must determine what `build` writes; `lineage.hash_config` makes one. Of several processes that ask for the
    same key at once, one builds and the others wait. A failing build leaves nothing and its error goes through. A
    damaged entry is built again, with a warning.
    """
    for word in (kind, key):
        if not word or word.startswith(".") or "/" in word or os.sep in word:
            raise ValueError(f"{word!r} can't name a cache entry; use a word or a hash, no slash, no leading dot")
    final = (root or default_root()) / kind / key
    # Outside the lock first: the common case needs no write access.
    if _is_intact(final):
        return final
    with _locked(final):
        atomic.sweep_stale(final.parent)
        if final.exists():
            wrong = checksums.damage(final)
            if wrong is None:
                return final
            warnings.warn(f"cached {kind}/{key} is damaged and is built again: {wrong}", stacklevel=2)
        with as_os_error(final), atomic.new_directory(final) as directory:
            build(directory)
            checksums.write(directory)
    return final


@contextmanager
def _locked(final: Path) -> Iterator[None]:
    """Hold the entry's lock; raise OSError of the same number, with the fix, where the cache can't be written to."""
    lock = FileLock(final.with_name(f".{final.name}.lock"))
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        where = f"the cache can't be written to ({error.strerror}): set GYGES_CACHE to another folder"
        raise OSError(error.errno, where, str(final.parent)) from error
    try:
        yield
    finally:
        lock.release()


def default_root() -> Path:
    """Return $GYGES_CACHE, or `.cache/gyges` in the checkout, whatever the working directory is."""
    chosen = os.environ.get("GYGES_CACHE")
    return Path(chosen).expanduser() if chosen else Path(__file__).resolve().parent.parent / ".cache" / "gyges"


def _is_intact(directory: Path) -> bool:
    # A file may vanish here: another process may be replacing a damaged entry.
    try:
        return directory.is_dir() and checksums.damage(directory) is None
    except FileNotFoundError:
        return False
