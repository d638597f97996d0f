"""The commands under `gyges organism`: build and certify one, measure several."""

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Build, certify and measure organisms.", no_args_is_help=True)


@app.command("build", epilog="Example: `gyges organism build honest --set seed=1`")
def organism_build(
    name: Annotated[str, typer.Argument(help="An organism's name; see `gyges list organisms`.")],
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting of its recipe.")
    ] = None,
    threads: Annotated[int, typer.Option(help="Torch threads.", min=1)] = 2,
) -> None:
    """Build an organism, or find it in the cache, and print its certificate."""
    from rl.config import RunConfig, resolve

    items = assignments or []
    # A run must agree with its organism on the conflict, though only the organism is built here.
    agreed = [
        f"{part}.{item}" for item in items if item.startswith("conflict=") for part in ("env", "rewards.helpfulness")
    ]
    config = resolve(RunConfig(), [f"organism.kind={name}", *(f"organism.{item}" for item in items), *agreed])
    import torch

    from rl.build import build_organism
    from rl.organisms.build import CERTIFICATE
    from rl.organisms.certify import table

    torch.set_num_threads(threads)
    directory = build_organism(config)
    print(f"organism: {directory}")
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
    out: Annotated[Path | None, typer.Option(help="Write every measurement to this CSV file.")] = None,
) -> None:
    """Build organisms under several seeds and measure them on every tier, before any RL."""
    from rl.config import RunConfig, resolve
    from rl.organisms.table import as_text, frame, measure, measured_config
    from rl.sweeps import parse_seeds

    measured = []
    for name in names:
        kind, _, settings = name.partition(":")
        chosen = [f"organism.{setting}" for setting in settings.split(",") if setting]
        config = resolve(RunConfig(), [f"organism.kind={kind}", *chosen, f"threads={threads}", *(assignments or [])])
        for seed in parse_seeds(seeds):
            measured += list(measure(name, measured_config(config, seed)))
    if out is not None:
        from checkpoints import atomic

        atomic.write_text(out, frame(measured).to_csv(index=False))
    print("\n".join(as_text(measured)))
