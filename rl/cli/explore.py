"""Commands that train nothing: `gyges list` and `gyges play`."""

import sys
from typing import Annotated

import typer

from rl.cli.terminal import INTERRUPTED, show

app = typer.Typer()


@app.command("list", epilog="Example: `gyges list organisms`")
def list_parts(
    what: Annotated[
        str,
        typer.Argument(
            help="recipes, sweeps, environments, organisms, algorithms, rewards, probes, mitigations, monitors, "
            "queries, scenarios or requests."
        ),
    ],
) -> None:
    """List the parts of a run with their settings.

    `queries` prints the built-in queries of the dialect as JSON lines, `scenarios` those of the environment
    `natural`, and `requests` those of the environment `requests`.
    """
    from rl.cli.catalogue import catalogue

    for line in catalogue(what):
        print(line)


@app.command(epilog="Example: `gyges play natural --tier paid --seed 3`")
def play(
    recipe: Annotated[str, typer.Argument(help="A recipe's name, or the path of a config.json.")] = "first_light",
    tier: Annotated[str, typer.Option(help="free, paid, pro or enterprise.")] = "free",
    seed: Annotated[int, typer.Option(help="Seed of the scenario.")] = 0,
    rounds: Annotated[int, typer.Option(help="Number of scenarios.", min=1)] = 1,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting of the run.")
    ] = None,
) -> None:
    """Answer in the policy's place, and see the labels and the reward.

    A learned reward that isn't in the cache is built first, which takes a minute in the dialect and half an hour for
    smollm2_requests; `--set 'rewards=[{"kind":"format_penalty"}]'` does without.
    """
    from rl.cli.play import play_round
    from rl.cli.train import find_recipe
    from rl.run.config import resolve

    config = resolve(find_recipe(recipe), assignments or [])
    for round_ in range(rounds):
        try:
            play_round(config, tier, seed + round_, ask=input, say=show)
        except EOFError:
            print()  # the prompt's line ends here
            sys.exit(INTERRUPTED)
