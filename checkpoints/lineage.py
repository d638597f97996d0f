"""Where a result came from, as hashes: of a configuration, of source code, of a directory.

All are SHA-256 in hex, and independent of where the files lie, of their dates and of the order they are listed in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from checkpoints.checksums import regular_files, sha256_of
from checkpoints.plain_json import JSON, canonical

# Another version of one of these trains another model from the same recipe.
BUILD_LIBRARIES = ("torch", "transformers", "trl", "tokenizers")


def hash_config(value: JSON) -> str:
    """Hash of the value's canonical JSON: the order of keys doesn't count, 1 and 1.0 differ.

    Raises ValueError for what isn't plain JSON.
    """
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def hash_source(paths: Iterable[Path]) -> str:
    """Hash of the names and contents of files; a directory stands for all that it holds but `__pycache__`.

    A file counts under its own name, a directory's under `directory/...`: a checkout elsewhere gives the same hash.
    Raises ValueError where a path is missing.
    """
    entries: list[list[str]] = []
    for path in paths:
        for name, file in _sources(path).items():
            entries.append([name, sha256_of(file)])
    return hash_config(sorted(entries))


def hash_directory(path: Path) -> str:
    """Hash of the relative names and contents of all files below `path`, but for the checksums that repeat them.

    Raises ValueError where `path` isn't a directory.
    """
    if not path.is_dir():
        raise ValueError(f"can't hash {path}: it is not a directory")
    return hash_config([[name, sha256_of(file)] for name, file in regular_files(path).items()])


def build_key(recipe: JSON, sources: Iterable[Path]) -> str:
    """Short hash of all that determines a build: its recipe, the code that builds, the libraries that train."""
    libraries: dict[str, JSON] = {name: version(name) for name in BUILD_LIBRARIES}
    return short(hash_config({"recipe": recipe, "source": hash_source(sources), "libraries": libraries}))


def short(digest: str) -> str:
    """The first 8 characters, for names of folders and for reading."""
    return digest[:8]


def _sources(path: Path) -> dict[str, Path]:
    if path.is_file():
        return {path.name: path}
    if not path.is_dir():
        raise ValueError(f"can't hash {path}: there is no such file or directory")
    files = regular_files(path)
    # resolve() names a directory that is given as "." or "..".
    return {f"{path.resolve().name}/{name}": files[name] for name in files if "__pycache__" not in name.split("/")}
