"""Hashes of a configuration, of a directory and of a build, which record the origin of a result.

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
    """Hash the value's canonical JSON: the order of keys doesn't count, 1 and 1.0 differ.

    Raises ValueError if the value isn't plain JSON.
    """
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def hash_directory(path: Path) -> str:
    """Hash the relative names and contents of all files below `path` except the checksums, which repeat the contents.

    Raises ValueError if `path` isn't a directory.
    """
    if not path.is_dir():
        raise ValueError(f"can't hash {path}: it is not a directory")
    return hash_config([[name, sha256_of(file)] for name, file in regular_files(path).items()])


def build_key(recipe: JSON) -> str:
    """Hash all inputs of a build: its recipe with digests of its data, and the versions of the training libraries.

    The hash is short: see `short`.
    """
    libraries: dict[str, JSON] = {name: version(name) for name in BUILD_LIBRARIES}
    return short(hash_config({"recipe": recipe, "libraries": libraries}))


def short(digest: str) -> str:
    """Return the first 8 characters, for names of folders and for reading."""
    return digest[:8]
