"""Directories that a model is written to: new ones alone."""

import shutil
from pathlib import Path

from checkpoints import atomic, checksums


def refuse_existing(directory: Path) -> None:
    """Refuse a target that exists.

    Raises:
        ValueError: in one line.
    """
    if directory.exists() or directory.is_symlink():
        raise ValueError(f"{directory} exists: give a directory that doesn't, or remove it first")


def copy_model(cached_model: Path, directory: Path) -> Path:
    """Copy a cached model to a directory that doesn't exist yet; return it.

    Raises:
        ValueError: if the directory exists.
    """
    refuse_existing(directory)
    with atomic.new_directory(directory) as unfinished:
        for name, path in checksums.regular_files(cached_model).items():
            shutil.copyfile(path, unfinished / name)
    return directory
