"""Command `gyges sweep`."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from rl.cli.options import Mitigate, given_path
from rl.cli.report import print_study, print_summaries
from rl.cli.terminal import FAILED, fail, say, show

app = typer.Typer()


@app.command(
    epilog="Example: `gyges sweep controls --builds 0..4`, or `gyges sweep my_sweep.py:arms --builds 0 --seeds 0..2`"
)
def sweep(
    name: Annotated[
        str,
        typer.Argument(metavar="SWEEP", help="A sweep's name, or FILE.py:FUNCTION that returns a list of RunConfig."),
    ],
    builds: Annotated[
        str | None,
        typer.Option(
            help="Builds of organism and reward model that every arm runs on: 0..4, or 0,2,5.",
            show_default="0..4; 0 from ready directories",
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(help="Seeds of RL on each build: 0..1, or 0,2.", show_default="0; 0..2 from ready directories"),
    ] = None,
    backend: Annotated[str, typer.Option(help="ray, or local for processes without Ray.")] = "ray",
    workers: Annotated[
        int | None, typer.Option(help="Trials at a time.", min=1, show_default="the cores; 4 a GPU at most")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="A Ray cluster that shares this file system, as HOST:PORT.", show_default="none")
    ] = None,
    threads: Annotated[int, typer.Option(help="Torch threads a trial.", min=1)] = 1,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting of every arm.")
    ] = None,
    mitigations: Mitigate = None,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps of every trial.")] = None,
    engine: Annotated[
        str | None, typer.Option(help="builtin, or trl for TRL's own trainers.", show_default="each arm's")
    ] = None,
    null_arm: Annotated[
        bool, typer.Option(help="Add an arm that differs from a baseline in its rollouts' random stream alone.")
    ] = True,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Continue trials that failed before.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Sweep folder.", show_default="runs/<sweep>-<short hash>", parser=given_path, metavar="PATH"),
    ] = None,
) -> None:
    """Run every arm on every build under every seed in parallel, and write one page.

    Effects differ between builds far more than between seeds, so intervals count builds.

    A repeated call continues where the earlier call stopped.
    """
    from rl.scale.arms import arms, places, with_null_arms
    from rl.scale.sweep import Fleet, failures, plan, run_sweep, shortest

    chosen = [f"{key}={value}" for key, value in (("steps", steps), ("engine", engine)) if value is not None]
    fleet = Fleet(_backend(backend, address), workers, threads, address)
    named = arms(name, [*(assignments or []), *chosen], mitigations or [])
    wanted = with_null_arms(named) if null_arm else named
    planned = plan(name, wanted, *places(wanted, builds, seeds), threads, out)
    result = run_sweep(planned, fleet, retry_failed, say)
    if not result.worked:
        say(f"nothing left to do: all {len(planned.trials)} trials have ended before")
    finished = [trial.folder for trial in result.shown]
    # A sweep with too many arms for an overlay has the study alone.
    if result.study is not None and (result.page is None or any(trial.config.mitigations for trial in result.shown)):
        print_study(finished)
    elif result.page is not None:
        print_summaries(finished)
    if result.page is not None:
        show(f"page:   {shortest(result.page)}", f"curves: {shortest(result.page.with_name('curves.png'))}")
    if result.study is not None:
        show(f"study:  {shortest(result.study)}", f"figure: {shortest(result.study.with_name('study.png'))}")
    failed = failures(result.outcomes)
    for line in [*failed, *result.left_out]:
        say(line)
    if failed:
        hint = "" if retry_failed else "; --retry-failed continues those that failed before"
        sys.exit(fail(f"{len(failed)} of {len(planned.trials)} trials failed{hint}", FAILED))


def _backend(name: str, address: str | None) -> Any:
    if name not in ("ray", "local"):
        raise ValueError(f"unknown backend {name!r}: choose ray or local")
    if name == "local" and address is not None:
        raise ValueError("--address names a Ray cluster, which --backend local doesn't use: leave one of them out")
    return name
