"""Options and arguments of several commands, and the reading of paths on the command line."""

from pathlib import Path
from typing import Annotated

import typer

from envs.input_files import expanded


def given_path(text: str) -> Path:
    """Read a path from an option or an argument; `~` is the home directory, also in `--out=~/run`.

    Raises:
        typer.BadParameter: an empty path, or the home of a user who doesn't exist.
    """
    try:
        return expanded(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


Folder = Annotated[Path, typer.Argument(help="A run folder.", show_default=False, parser=given_path, metavar="FOLDER")]
Mitigate = Annotated[
    list[str] | None,
    typer.Option(
        "--mitigate",
        metavar="NAME[:KEY=VALUE,...]",
        help="Append a mitigation; may be repeated. See `gyges list mitigations`.",
    ),
]
ShowSensitive = Annotated[
    bool,
    typer.Option("--show-sensitive", help="Show the replies to requests that are a set of real harm."),
]
Trust = Annotated[
    bool,
    typer.Option("--trust", help="Allow the code that the configuration file names by env.target to run."),
]
Address = Annotated[
    str | None,
    typer.Option(help="Ray cluster for several workers, as HOST:PORT.", show_default="this machine alone"),
]
