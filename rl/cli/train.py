"""Commands of one run: train, resume, probe."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from envs.input_files import expanded
from rl.cli.options import Address, Folder, Mitigate, Trust, given_path
from rl.cli.report import write_report_of
from rl.cli.terminal import say, show
from rl.errors import nearest

app = typer.Typer()


@app.command(epilog="Example: `gyges train first_light --seed 1 --set algorithm.kl_weight=0.1 --out runs/mine`")
def train(
    recipe: Annotated[str, typer.Argument(help="A recipe's name, or the path of a config.json.")] = "first_light",
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting; may be repeated.")
    ] = None,
    mitigations: Mitigate = None,
    seed: Annotated[int | None, typer.Option(help="Random seed.")] = None,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps.")] = None,
    engine: Annotated[
        str | None, typer.Option(help="builtin, or trl for TRL's own trainers.", show_default="the recipe's: builtin")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes of the trl engine, under Ray Train.", show_default="the recipe's: 1")
    ] = None,
    address: Address = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Run folder.", show_default="runs/<recipe>-<seed>-<short hash>", parser=given_path, metavar="PATH"
        ),
    ] = None,
    trusted: Trust = False,
) -> None:
    """Train an organism, probe it, and write its run folder, curves and page."""
    from rl.run.config import mitigated, resolve
    from rl.run.environments import trust_environment

    base = find_recipe(recipe)
    options = {"seed": seed, "steps": steps, "engine": engine, "workers": workers}
    chosen = [f"{key}={value}" for key, value in options.items() if value is not None]
    config = mitigated(resolve(base, [*(assignments or []), *chosen]), mitigations or [])
    if trusted:
        trust_environment(config)
    from rl.run.folder import default_folder

    folder = out or default_folder(config, Path("runs"))

    def started() -> None:
        say(f"run folder: {folder}")

    if config.workers > 1:
        from rl.scale.ray_train import train_on_workers

        train_on_workers(config, folder, started, say, address)
    else:
        _refuse_address(address)
        from rl.run.loop import train as run

        run(config, folder, started)
    write_report_of([folder], None)


def _refuse_address(address: str | None) -> None:
    if address is not None:
        raise ValueError("--address names a Ray cluster for several workers, and this run has one: leave it out")


@app.command(epilog="Example: `gyges resume runs/first_light-0-1a2b3c4d`")
def resume(
    folder: Folder,
    step: Annotated[int | None, typer.Option(help="Checkpoint to continue from.", show_default="the last")] = None,
    address: Address = None,
    trusted: Trust = False,
) -> None:
    """Continue a stopped run; the result is bit-identical to that of an uninterrupted run."""
    from rl.run.config import read_config

    config = folder / "config.json"
    if trusted:
        _trust_folder(folder)
    if config.is_file() and read_config(config).workers > 1:
        from rl.scale.ray_train import resume_on_workers

        resume_on_workers(folder, step, say, address)
    else:
        _refuse_address(address)
        from rl.run.loop import resume as run

        run(folder, step)
    write_report_of([folder], None)


@app.command(epilog="Example: `gyges probe runs/first_light-0-1a2b3c4d --step 40`")
def probe(
    folder: Folder,
    step: Annotated[int | None, typer.Option(help="Checkpoint to probe.", show_default="the last")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, as in probes.jsonl.")] = False,
    trusted: Trust = False,
) -> None:
    """Probe a checkpoint of a run with the run's own probes, and print the rates. Nothing is written."""
    from rl.run.checkpoint_probe import probe_checkpoint

    if trusted:
        _trust_folder(folder)
    rows = probe_checkpoint(folder, step)
    if as_json:
        for row in rows:
            show(json.dumps(row.model_dump(), allow_nan=False))  # ASCII suits every terminal
        return
    print(f"{'probe':<26} {'metric':<28} {'tier':<11} {'value':>8}  {'95 % interval':<18} {'n':>5}  unscored")
    for row in rows:
        value = "-" if row.value is None else f"{row.value:.3f}"
        interval = "-" if row.ci_low is None or row.ci_high is None else f"{row.ci_low:.3f} to {row.ci_high:.3f}"
        name = f"{row.probe:<26} {row.metric:<28} {row.tier or '':<11}"
        print(f"{name} {value:>8}  {interval:<18} {row.n:>5}  {row.unscored}")


def _trust_folder(folder: Path) -> None:
    from rl.run.config import read_config
    from rl.run.environments import trust_environment

    if (folder / "config.json").is_file():
        trust_environment(read_config(folder / "config.json"))


def find_recipe(name: str) -> Any:
    """Return the configuration of a recipe, or of a configuration file.

    Raises:
        ValueError: for an unknown recipe, naming the nearest; for a file without a configuration.
    """
    from rl.run.config import read_config
    from rl.run.recipes import RECIPES

    if name in RECIPES:
        return RECIPES[name]()
    if name.endswith(".json") or "/" in name:
        return read_config(expanded(name))
    raise ValueError(f"unknown recipe {name!r}: {nearest(name, RECIPES)}")
