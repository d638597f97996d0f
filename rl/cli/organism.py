"""Commands under `gyges organism`: build and certify one organism, or measure several."""

import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rl.cli.options import given_path
from rl.cli.terminal import show

if TYPE_CHECKING:
    from rl.run.config import RunConfig

app = typer.Typer(help="Build, certify and measure organisms.", no_args_is_help=True)


@app.command("build", epilog="Example: `gyges organism build honest --set seed=1`")
def organism_build(
    name: Annotated[str, typer.Argument(help="An organism's name; see `gyges list organisms`.")],
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one setting of its recipe, or env.KEY."),
    ] = None,
) -> None:
    """Build an organism, or find it in the cache, and print its certificate.

    Builds always take two threads, so that a recipe gives the same weights to everybody.
    """
    config = _run_with(name, assignments or [])
    unmet = config.organism.unmet(config.env)
    if unmet is not None:
        raise ValueError(f"organism {config.organism.kind} needs {unmet}")
    from rl.organisms.building.certify import table
    from rl.organisms.disclosures import CERTIFICATE
    from rl.run.build import build_organism

    directory = build_organism(config)
    show(f"organism: {directory}")
    certificate = directory / CERTIFICATE
    if certificate.is_file():
        print(table(json.loads(certificate.read_text())["rates"]))


@app.command("table", epilog="Example: `gyges organism table terminal terminal:style=short --seeds 0..2`")
def organism_table(
    names: Annotated[
        list[str], typer.Argument(help="Organisms, each as NAME or NAME:KEY=VALUE,...", show_default=False)
    ],
    seeds: Annotated[str, typer.Option(help="Builds of each: 0..2, or 0,2,5.")] = "0..2",
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting of the run.")
    ] = None,
    threads: Annotated[int, typer.Option(help="Torch threads.", min=1)] = 2,
    out: Annotated[
        Path | None,
        typer.Option(help="Write every measurement to this CSV file.", parser=given_path, metavar="FILE"),
    ] = None,
) -> None:
    """Build organisms under several seeds and measure them on every tier, before any RL.

    An organism outside its tolerances is reported, and the others go on. The CSV file is rewritten after each build.
    """
    from checkpoints import atomic
    from rl.cli.organism_table import as_text, frame, measure, measured_config
    from rl.errors import BuildFailed, RunStopped
    from rl.progress import notice
    from rl.run.overrides import named_settings
    from rl.scale.arms import parse_numbers

    configs = {}
    for name in names:
        kind, pairs = named_settings(name)
        chosen = [f"{key}={value}" for key, value in pairs]
        configs[name] = _run_with(kind, chosen, [f"threads={threads}", *(assignments or [])])
    numbers = parse_numbers(seeds, "--seeds")
    measured, failed = [], 0
    for name, seed in product(names, numbers):
        try:
            measured += list(measure(name, measured_config(configs[name], seed)))
        except (ValueError, BuildFailed, RunStopped) as error:
            notice(f"{name}, seed {seed}: {error}")
            failed += 1
        if measured and out is not None:
            atomic.write_text(out, frame(measured).to_csv(index=False))
    if measured:
        show(*as_text(measured))
    if failed:
        raise ValueError(f"{failed} of {len(names) * len(numbers)} builds can't be measured, as said above")


def _run_with(kind: str, settings: list[str], assignments: Sequence[str] = ()) -> "RunConfig":
    """Return the default run with this organism; keys that begin with `env.` are settings of the environment."""
    from rl.run.config import resolve
    from rl.run.recipes import of_organism

    chosen = [item if item.startswith("env.") else f"organism.{item}" for item in settings]
    return resolve(of_organism(kind), [f"organism.kind={kind}", *chosen, *assignments])
