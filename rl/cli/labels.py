"""Commands under `gyges labels`: measure labellers against human labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rl.cli.options import given_path
from rl.cli.terminal import say, show

if TYPE_CHECKING:
    from envs.faking.labellers import TextLabeller
    from reports.intervals import Estimate
    from reports.labellers.agreement import Agreement

app = typer.Typer(help="Measure the labellers of replies.", no_args_is_help=True)


@app.callback()
def _labels() -> None:
    """Measure the labellers of replies."""


@app.command("validate", epilog="Example: `gyges labels validate scratchpads.csv --save`")
def labels_validate(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV or JSON lines with `label`, and `text` or `prompt` and `completion`.",
            show_default=False,
            parser=given_path,
            metavar="FILE",
        ),
    ],
    labeller: Annotated[
        list[str] | None, typer.Option(help="A labeller's name; may be repeated.", show_default="every one")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a labeller.")] = False,
    save: Annotated[
        bool, typer.Option("--save", help="Record the validation in the cache: later runs and their pages state it.")
    ] = False,
) -> None:
    """Measure labellers on texts with human labels: accuracy, AUROC, sensitivity and specificity, with 95 % intervals.

    Labels are 1 or 0, true or false, yes or no, or faking or honest for scratchpads; comply, partial, other or refuse
    for answers. A text without a label is counted and left out.
    """
    from envs.faking.labelled_texts import read_labelled
    from envs.faking.labellers import LABELLERS, THRESHOLD
    from reports.labellers.agreement import agreement

    given = read_labelled(file)
    for found in _chosen(labeller or [], given.question, LABELLERS):
        known = [(text, label) for text, label in zip(given.texts, given.labels, strict=True) if label is not None]
        scores = found.score([text for text, _ in known]).tolist()
        try:
            measured = agreement(scores, [label for _, label in known], THRESHOLD)
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from error
        unlabelled = len(given.texts) - len(known)
        if as_json:
            print(json.dumps(_as_dict(found, given.question, measured, unlabelled)))
        else:
            show(*_as_lines(found, given.question, measured, unlabelled))
        if save:
            say(f"recorded in {_record(found, measured, unlabelled, file, given.sha256)}")


def _chosen(names: list[str], question: str, labellers: tuple[TextLabeller, ...]) -> list[TextLabeller]:
    from rl.errors import nearest

    fitting = {labeller.name: labeller for labeller in labellers if labeller.question == question}
    for name in names:
        if name not in fitting:
            raise ValueError(f"no labeller {name!r} for labels of {question}: {nearest(name, fitting)}")
    return [fitting[name] for name in names or fitting]


def _as_dict(labeller: TextLabeller, question: str, measured: Agreement, unlabelled: int) -> dict[str, Any]:
    figures = {name: _interval(getattr(measured, name)) for name in ("accuracy", "auroc", "sensitivity", "specificity")}
    return {
        "labeller": labeller.name,
        "version": labeller.version(),
        "question": question,
        "n": measured.accuracy.n,
        "unscored": measured.unscored + unlabelled,
        **figures,
        "confusion": {
            "yes_right": measured.yes_right,
            "yes_wrong": measured.yes_wrong,
            "no_right": measured.no_right,
            "no_wrong": measured.no_wrong,
        },
    }


def _interval(estimate: Estimate) -> dict[str, float | None]:
    return {"value": estimate.value, "ci_low": estimate.ci_low, "ci_high": estimate.ci_high}


def _as_lines(labeller: TextLabeller, question: str, measured: Agreement, unlabelled: int) -> list[str]:
    kind = "used by runs" if labeller.used else "baseline"
    n, unscored = measured.accuracy.n, measured.unscored + unlabelled
    yes, no = measured.yes_right + measured.yes_wrong, measured.no_right + measured.no_wrong
    return [
        f"{labeller.name} ({kind}, version {labeller.version()}), {question}: n {n}, unscored {unscored}",
        *(f"  {name:<12}{_written(getattr(measured, name))}" for name in ("accuracy", "auroc")),
        f"  {'sensitivity':<12}{_written(measured.sensitivity)}  ({measured.yes_right} of {yes} labelled {question})",
        f"  {'specificity':<12}{_written(measured.specificity)}  ({measured.no_right} of {no} labelled otherwise)",
    ]


def _written(estimate: Estimate) -> str:
    if estimate.value is None:
        return "undefined"
    if estimate.ci_low is None or estimate.ci_high is None:
        return f"{estimate.value:.3f}  [no interval]"
    return f"{estimate.value:.3f}  [{estimate.ci_low:.3f}, {estimate.ci_high:.3f}]"


def _record(labeller: TextLabeller, measured: Agreement, unlabelled: int, file: Path, sha256: str) -> Path:
    from envs.faking.validations import Validation, record

    return record(
        Validation(
            labeller=labeller.name,
            digest=labeller.version(),
            yes_right=measured.yes_right,
            yes=measured.yes_right + measured.yes_wrong,
            no_right=measured.no_right,
            no=measured.no_right + measured.no_wrong,
            unscored=measured.unscored + unlabelled,
            auroc=measured.auroc.value,
            file=file.name,
            sha256=sha256,
        )
    )
