"""Where a result came from, as hashes: of a configuration, of a directory.

All are SHA-256 in hex, and independent of where the files lie, of their dates and of the order they are listed in.
"""

from __future__ import annotations

import hashlib
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


def hash_directory(path: Path) -> str:
    """Hash of the relative names and contents of all files below `path`, but for the checksums that repeat them.

    Raises ValueError where `path` isn't a directory.
    """
    if not path.is_dir():
        raise ValueError(f"can't hash {path}: it is not a directory")
    return hash_config([[name, sha256_of(file)] for name, file in regular_files(path).items()])


def build_key(recipe: JSON) -> str:
    """Short hash of all that goes into a build: its recipe, digests of its data, and the libraries that train."""
    libraries: dict[str, JSON] = {name: version(name) for name in BUILD_LIBRARIES}
    return short(hash_config({"recipe": recipe, "libraries": libraries}))


def short(digest: str) -> str:
    """The first 8 characters, for names of folders and for reading."""
    return digest[:8]
