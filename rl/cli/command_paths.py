"""Paths on the command line: `~` is the home directory, also where no shell has replaced it (`--out=~/run`)."""

from pathlib import Path

import typer

from envs.input_files import expanded


def given_path(text: str) -> Path:
    """Read a path from an option or an argument.

    Raises:
        typer.BadParameter: an empty path, or the home of a user who doesn't exist.
    """
    try:
        return expanded(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
