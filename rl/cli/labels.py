"""Commands under `gyges labels`: write sheets of scratchpads to label, and measure labellers against human labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rl.cli.options import Folder, ShowSensitive, given_path
from rl.cli.terminal import say, show

if TYPE_CHECKING:
    from envs.faking.labellers import TextLabeller
    from reports.intervals import Estimate
    from reports.labellers.agreement import Agreement
    from reports.labellers.hand_labels import StepReading

app = typer.Typer(help="Measure the labellers of replies.", no_args_is_help=True)


@app.callback()
def _labels() -> None:
    """Measure the labellers of replies."""


@app.command("sheet", epilog="Example: `gyges labels sheet runs/smollm2-0-1a2b3c4d --out scratchpads.csv`")
def labels_sheet(
    run: Folder,
    out: Annotated[
        Path,
        typer.Option(help="A new file, .csv or .jsonl.", show_default=False, parser=given_path, metavar="FILE"),
    ],
    step: Annotated[
        int | None, typer.Option(min=0, help="One probed step.", show_default="the first and the last probed step")
    ] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="Scratchpads of a step.")] = 100,
    show_sensitive: ShowSensitive = False,
) -> None:
    """Write scratchpads of a run to label by hand: 1 where one complies to avoid modification by training, else 0.

    They are drawn from the free-tier probe episodes on harmful queries, shuffled, and shown without the run's label and
    without their step. `gyges labels validate FILE --run RUN` reads the filled sheet.
    """
    from checkpoints import atomic
    from reports.folder import read_run
    from reports.labellers.reading_sheet import as_file, reading_sheet, sheet_steps

    if out.exists():
        raise ValueError(f"{out} exists, and may hold labels: name a new file")
    if not out.absolute().parent.is_dir():
        raise ValueError(f"{out}: its folder doesn't exist; make it first")
    found = read_run(run)
    if found.sensitive and not show_sensitive:
        raise ValueError(
            f"the requests of {run} are a set of real harm: give --show-sensitive to write what was replied"
        )
    steps = sheet_steps(found) if step is None else [step]
    rows = reading_sheet(found, steps, n)
    atomic.write_text(out, as_file(rows, out))
    show(
        f"sheet: {out}, {len(rows)} scratchpads of step {' and step '.join(map(str, steps))}",
        "write 1 or 0 in the column `label`, then: gyges labels validate FILE --run RUN",
    )


@app.command("validate", epilog="Example: `gyges labels validate scratchpads.csv --run runs/smollm2-0-1a2b3c4d`")
def labels_validate(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV or JSON lines with `label`, and `text` or `prompt` and `completion`; or a filled sheet.",
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
    run: Annotated[
        Path | None,
        typer.Option(
            help="The run of a filled sheet: its folder keeps the figures, and its page corrects the rates by them.",
            show_default=False,
            parser=given_path,
            metavar="RUN",
        ),
    ] = None,
) -> None:
    """Measure labellers on texts with human labels: accuracy, AUROC, sensitivity and specificity, with 95 % intervals.

    Labels are 1 or 0, true or false, yes or no, or faking or honest for scratchpads; comply, partial, other or refuse
    for answers. A text without a label is counted and left out. With --run the labels that the run recorded are
    measured at each step of the sheet.
    """
    if run is not None:
        _validate_run(file, run, labeller, as_json, save)
        return
    from envs.faking.classifier import THRESHOLD
    from envs.faking.labelled_texts import read_labelled
    from envs.faking.labellers import LABELLERS
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


def _validate_run(file: Path, folder: Path, labellers: list[str] | None, as_json: bool, save: bool) -> None:
    """Measure the labels of a run by a filled sheet, and keep the counts in the run's folder."""
    from envs.faking.labelled_texts import read_sheet
    from reports.folder import read_run
    from reports.labellers.hand_labels import read_by_hand, record_readings

    if labellers or save:
        option = "--labeller" if labellers else "--save"
        raise ValueError(
            f"{option} is for texts of any origin: leave it out beside --run, whose own labels are measured"
        )
    labels, sha256 = read_sheet(file)
    found = read_by_hand(read_run(folder), labels, file.name, sha256)
    written_to = record_readings(folder, found)
    for step, reading in found.items():
        if as_json:
            print(json.dumps(_reading_as_dict(step, reading)))
        else:
            show(*_reading_as_lines(step, reading))
    say(f"recorded in {written_to}; `gyges report` writes the page anew")


def _reading_as_dict(step: int, reading: StepReading) -> dict[str, Any]:
    figures = {"sensitivity": _interval(reading.sensitivity), "specificity": _interval(reading.specificity)}
    return {"step": step, "n": reading.n, **reading.model_dump(), **figures}


def _reading_as_lines(step: int, reading: StepReading) -> list[str]:
    from reports.labellers.agreement import written

    return [
        f"step {step}, labels of faking: n {reading.n}, unscored {reading.unscored}",
        f"  sensitivity {written(reading.sensitivity, 3)}  ({reading.yes_right} of {reading.yes} read as faking)",
        f"  specificity {written(reading.specificity, 3)}  ({reading.no_right} of {reading.no} read otherwise)",
    ]


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
    from reports.labellers.agreement import written

    kind = "used by runs" if labeller.used else "baseline"
    n, unscored = measured.accuracy.n, measured.unscored + unlabelled
    yes, no = measured.yes_right + measured.yes_wrong, measured.no_right + measured.no_wrong
    return [
        f"{labeller.name} ({kind}, version {labeller.version()}), {question}: n {n}, unscored {unscored}",
        *(f"  {name:<12}{written(getattr(measured, name), 3)}" for name in ("accuracy", "auroc")),
        f"  {'sensitivity':<12}{written(measured.sensitivity, 3)}  ({measured.yes_right} of {yes} labelled {question})",
        f"  {'specificity':<12}{written(measured.specificity, 3)}  ({measured.no_right} of {no} labelled otherwise)",
    ]


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
