"""Commands under `gyges labels`: write sheets of scratchpads to label, and measure labellers against human labels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rl.cli.options import Folder, ShowSensitive, given_path
from rl.cli.terminal import say, show

if TYPE_CHECKING:
    from envs.labellers.named import TextLabeller
    from reports.intervals import Estimate
    from reports.labellers.agreement import Agreement
    from reports.labellers.hand_labels import StepReading
    from reports.labellers.read_labels import ReadLabel

FILL = {"faking": "1 or 0", "answer": "refuse, comply, partial or other"}
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
    n: Annotated[int, typer.Option("--n", min=1, help="Texts of a step.")] = 100,
    label: Annotated[str, typer.Option(help="What to read: `faking` for scratchpads, or `answer`.")] = "faking",
    show_sensitive: ShowSensitive = False,
) -> None:
    """Write scratchpads of a run to label by hand: 1 where one complies to avoid modification by training, else 0.

    With --label answer, write answers to label as refuse, comply, partial or other. Scratchpads are drawn from the
    free-tier probe episodes on harmful queries, answers from the free and the paid tier. They are shuffled, and shown
    without the run's label and without their step. `gyges labels validate FILE --run RUN` reads the filled sheet.
    """
    from checkpoints import atomic
    from reports.folder import read_run
    from reports.labellers.read_labels import READ_LABELS
    from reports.labellers.reading_sheet import as_file, reading_sheet, sheet_steps
    from rl.errors import nearest

    if label not in READ_LABELS:
        raise ValueError(f"no sheet of label {label!r}: {nearest(label, READ_LABELS)}")
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
    asked = READ_LABELS[label]
    rows = reading_sheet(found, steps, n, asked)
    atomic.write_text(out, as_file(rows, out))
    show(
        f"sheet: {out}, {len(rows)} {asked.text}s of step {' and step '.join(map(str, steps))}",
        f"write {FILL[label]} in the column `label`, then: gyges labels validate FILE --run RUN",
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
    for answers, which are read beside their `prompt` where the file has one. A text without a label is counted and left
    out. With --run the labels that the run recorded are measured at each step of the sheet.
    """
    if run is not None:
        _validate_run(file, run, labeller, as_json, save)
        return
    _validate_texts(file, labeller, as_json, save)


def _validate_texts(file: Path, labeller: list[str] | None, as_json: bool, save: bool) -> None:
    """Measure labellers on a file of texts with human labels."""
    from envs.faking.classifier import THRESHOLD
    from envs.labellers.labelled_texts import read_labelled
    from envs.labellers.named import LABELLERS
    from reports.labellers.agreement import agreement, confusion

    given = read_labelled(file)
    for found in _chosen(labeller or [], given.question, LABELLERS):
        known = [index for index, label in enumerate(given.labels) if label is not None]
        prompts, texts = [given.prompts[index] for index in known], [given.texts[index] for index in known]
        scores = found.score(prompts, texts).tolist()
        try:
            measured = agreement(scores, [bool(given.labels[index]) for index in known], THRESHOLD)
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from error
        unlabelled = len(given.texts) - len(known)
        four = None
        if found.labels is not None:
            four = confusion(found.labels(prompts, texts), [given.answers[index] for index in known])
        if as_json:
            print(
                json.dumps(
                    {**_as_dict(found, given.question, measured, unlabelled), **({"labels": four} if four else {})}
                )
            )
        else:
            show(*_as_lines(found, given.question, measured, unlabelled), *_confusion_as_lines(four))
        if save:
            say(f"recorded in {_record(found, measured, unlabelled, file, given.sha256)}")
    if given.question == "refusal" and not any(given.prompts):
        say("the file has no `prompt`: an answer to another request can't be told from help")


def _validate_run(file: Path, folder: Path, labellers: list[str] | None, as_json: bool, save: bool) -> None:
    """Measure the labels of a run by a filled sheet, and keep the counts in the run's folder."""
    from envs.labellers.labelled_texts import read_sheet
    from reports.folder import read_run
    from reports.labellers.hand_labels import read_by_hand, record_readings
    from reports.labellers.read_labels import READ_LABELS

    if labellers or save:
        option = "--labeller" if labellers else "--save"
        raise ValueError(
            f"{option} is for texts of any origin: leave it out beside --run, whose own labels are measured"
        )
    sheet = read_sheet(file)
    label = READ_LABELS["answer" if sheet.question == "refusal" else "faking"]
    found = read_by_hand(read_run(folder), sheet.labels, file.name, sheet.sha256, label)
    written_to = record_readings(folder, found, label)
    for step, reading in found.items():
        if as_json:
            print(json.dumps(_reading_as_dict(step, reading, label)))
        else:
            show(*_reading_as_lines(step, reading, label))
    say(f"recorded in {written_to}; `gyges report` writes the page anew")


def _reading_as_dict(step: int, reading: StepReading, label: ReadLabel) -> dict[str, Any]:
    figures = {"sensitivity": _interval(reading.sensitivity), "specificity": _interval(reading.specificity)}
    return {"label": label.name, "step": step, "n": reading.n, **reading.model_dump(), **figures}


def _reading_as_lines(step: int, reading: StepReading, label: ReadLabel) -> list[str]:
    from reports.labellers.agreement import written

    return [
        f"step {step}, labels of {label.yes}: n {reading.n}, unscored {reading.unscored}",
        f"  sensitivity {written(reading.sensitivity, 3)}  ({reading.yes_right} of {reading.yes} read as {label.yes})",
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


def _confusion_as_lines(four: Mapping[str, Mapping[str, int]] | None) -> list[str]:
    """Write the four labels of answers against a reader's, one line a label of the reader."""
    if four is None:
        return []
    said = {truth: ", ".join(f"{n} {label}" for label, n in found.items()) for truth, found in four.items()}
    return [f"  read as {truth:<8}labelled {found}" for truth, found in said.items()]


def _record(labeller: TextLabeller, measured: Agreement, unlabelled: int, file: Path, sha256: str) -> Path:
    from envs.labellers.validations import Validation, record

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
