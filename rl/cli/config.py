"""Commands under `gyges config`: upgrade the configuration of an earlier version."""

import json
from pathlib import Path
from typing import Annotated

import typer

from rl.cli.options import given_path
from rl.cli.terminal import show

app = typer.Typer(help="Bring configurations of earlier versions to this one.", no_args_is_help=True)


@app.command("upgrade", epilog="Example: `gyges config upgrade runs/first_light-0-1a2b3c4d/config.json`")
def config_upgrade(
    file: Annotated[Path, typer.Argument(help="A config.json.", show_default=False, parser=given_path, metavar="FILE")],
    out: Annotated[
        Path | None,
        typer.Option(help="Path of the output.", show_default="FILE itself", parser=given_path, metavar="FILE"),
    ] = None,
) -> None:
    """Rename old keys of a config.json to their new names, and print each change.

    A setting that can't be upgraded is an error, and nothing is written.
    """
    from checkpoints import atomic
    from rl.run.config import parse, read_json
    from rl.run.upgrade import upgraded

    data = read_json(file)
    try:
        parse(data)
        changes: list[str] = []
    except ValueError:
        try:
            data, changes = upgraded(data)
            parse(data)
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from error
    if changes or out is not None:
        atomic.write_text(out or file, json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    show(*(changes or [f"nothing to rename: {file} has the keys of this version"]))
    if changes or out is not None:
        show(f"written: {out or file}")
