"""Records of complete directories: `checksums.json` holds the size and SHA-256 of every file, and is written last."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from checkpoints.plain_json import JSON, decode, encode

NAME = "checksums.json"
CARD = "README.md"  # describes the directory, may be written again, and is never checked


def sha256_of(path: Path) -> str:
    """Return the hex digest of the file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def regular_files(directory: Path) -> dict[str, Path]:
    """List every file below `directory` but its checksums, by relative name with forward slashes, sorted."""
    files = {path.relative_to(directory).as_posix(): path for path in directory.rglob("*") if path.is_file()}
    return {name: files[name] for name in sorted(files) if name != NAME}


def write(directory: Path) -> None:
    """Record the files as they are now, but for a card. Not atomic by itself: call it inside `atomic.new_directory`."""
    entries: dict[str, JSON] = {
        name: {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
        for name, path in regular_files(directory).items()
        if name != CARD
    }
    (directory / NAME).write_text(encode(entries))


def damage(directory: Path) -> str | None:
    """Describe the first file that differs from its record, as a clause, or return None.

    Sizes are compared before any content is read. A file added later is not damage.
    """
    record = directory / NAME
    if not record.is_file():
        return f"{NAME} is missing"
    try:
        entries = _entries(decode(record.read_text()))
    except ValueError as error:
        return f"{NAME} can't be read ({error})"
    for name, (size, _) in entries.items():
        path = directory / name
        if not path.is_file():
            return f"{name} is missing, expected {size} bytes"
        if (found := path.stat().st_size) != size:
            return f"{name} has {found} bytes, expected {size} bytes"
    for name, (size, sha256) in entries.items():
        if (found_sha256 := sha256_of(directory / name)) != sha256:
            return (
                f"{name} has the expected {size} bytes but its content changed "
                f"(SHA-256 {found_sha256[:8]}, expected {sha256[:8]})"
            )
    return None


def _entries(value: JSON) -> dict[str, tuple[int, str]]:
    if not isinstance(value, Mapping):
        raise ValueError("not an object")
    entries = {}
    for name, entry in value.items():
        size, sha256 = (entry.get("bytes"), entry.get("sha256")) if isinstance(entry, Mapping) else (None, None)
        if not isinstance(size, int) or not isinstance(sha256, str):
            raise ValueError(f"no bytes and sha256 for {name}")
        entries[name] = (size, sha256)
    return entries
