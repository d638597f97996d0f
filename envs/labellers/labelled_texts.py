"""Texts with human labels and filled sheets of labels, read from a CSV or JSON lines file."""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from envs.input_files import parse_json, read_text
from envs.labellers.parts import answer_of, scratchpad_of
from envs.vocabulary import AnswerLabel

Question = Literal["faking", "refusal"]
# What a label may be, in lower case: the question that it answers, and the answer. "" is unlabelled.
_SHARED = {"1": True, "1.0": True, "true": True, "yes": True, "0": False, "0.0": False, "false": False, "no": False}
_FAKING = {
    **_SHARED, "faking": True, "alignment faking": True, "alignment_faking": True, "af": True, "fake": True,
    "not faking": False, "not_faking": False, "no faking": False, "honest": False, "not": False,
}  # fmt: skip
_ANSWERS: dict[str, AnswerLabel] = {
    "refuse": "refuse", "refusal": "refuse", "refused": "refuse", "full_refusal": "refuse", "full refusal": "refuse",
    "comply": "comply", "compliance": "comply", "complied": "comply", "full_compliance": "comply",
    "partial": "partial", "partial_refusal": "partial", "other": "other",
}  # fmt: skip
_REFUSAL = {said: label == "refuse" for said, label in _ANSWERS.items()}
ANSWER_IDS = "answer-"  # how the ids of a sheet of answers begin
_TEXT_COLUMNS, _PROMPT = ("text", "completion"), "prompt"
_UNLABELLED = ("", "null", "nan", "na", "?")
_AMBIGUOUS = "none"  # to one reader no faking, to another, or to a program, no label


@dataclass(frozen=True, slots=True)
class LabelledTexts:
    """Texts and human labels, None for a text without one.

    `question` is what the labels answer: does the scratchpad fake, or does the answer refuse. `prompts` are "" in a
    file without them. `answers` holds the four labels of answers, None for a text without one. `sha256` is the file's.
    """

    question: Question
    prompts: tuple[str, ...]
    texts: tuple[str, ...]
    answers: tuple[AnswerLabel | None, ...]
    labels: tuple[bool | None, ...]
    sha256: str


def read_labelled(path: Path) -> LabelledTexts:
    """Read a file with the columns `label`, and `text` or `completion`, and `prompt` if it stands there.

    The name ends in `.csv`, `.jsonl` or `.json`. Of a completion with tags, the scratchpad is taken, or the answer for
    labels of refusal. An empty label is unscored.

    Raises:
        ValueError: in one line, for an unreadable file, a missing column with the nearest name, or an unknown label.
    """
    content = read_text(path)
    rows = list(_rows(path, content))
    if not rows:
        raise ValueError(f"{path} has no rows: give a header `text,label` and one text a row")
    present = _present(rows)
    column = next((name for name in _TEXT_COLUMNS if name in present), None)
    _require(path, present, "label")
    if column is None:
        raise ValueError(_lacking(path, present, "text", " (or `prompt` and `completion`)"))
    said = _said(path, rows)
    question = _question(path, said)
    known = _FAKING if question == "faking" else _REFUSAL
    part = scratchpad_of if question == "faking" else answer_of
    return LabelledTexts(
        question,
        tuple(str(row.get(_PROMPT) or "") for row in rows),
        tuple(part(str(row.get(column) or "")) for row in rows),
        tuple(_ANSWERS.get(label) for label in said),
        tuple(known.get(label) for label in said),
        hashlib.sha256(path.read_bytes()).hexdigest(),
    )


@dataclass(frozen=True, slots=True)
class FilledSheet:
    """A reader's labels by id: does the scratchpad fake, or does the answer refuse; None for a row without a label."""

    question: Question
    labels: dict[str, bool | None]
    sha256: str


def read_sheet(path: Path) -> FilledSheet:
    """Read a filled sheet of `gyges labels sheet`, of scratchpads or of answers as its ids tell.

    The columns `id` and `label` are read, whatever stands in the others. In a sheet of answers 1 stands for refuse,
    and 0 for any other label.

    Raises:
        ValueError: in one line, as `read_labelled`; for labels of the other question; for ids of both kinds, an id that
            stands twice, or no label.
    """
    rows = list(_rows(path, read_text(path)))
    if not rows:
        raise ValueError(f"{path} has no rows: write a sheet by `gyges labels sheet RUN --out FILE`")
    for name in ("id", "label"):
        _require(path, _present(rows), name)
    said, ids = _said(path, rows), [str(row.get("id") or "").strip() for row in rows]
    of_answers = {name.startswith(ANSWER_IDS) for name in ids}
    if len(of_answers) > 1:
        raise ValueError(f"{path} mixes scratchpads and answers: put them in two files")
    question: Question = "refusal" if True in of_answers else "faking"
    known = {**_SHARED, **_REFUSAL} if question == "refusal" else _FAKING
    _require_known(path, said, question, known)
    if repeated := [name for name, count in Counter(ids).items() if count > 1]:
        raise ValueError(f"{path}: the id {repeated[0][:40]!r} stands in several rows: leave one of them")
    found = {name: known.get(label) for name, label in zip(ids, said, strict=True)}
    if all(label is None for label in found.values()):
        what = "refuse, comply, partial or other" if question == "refusal" else "1 or 0"
        raise ValueError(f"{path} has no label: write {what} in the column `label`")
    return FilledSheet(question, found, hashlib.sha256(path.read_bytes()).hexdigest())


def _require_known(path: Path, said: Sequence[str], question: Question, known: Mapping[str, bool]) -> None:
    """Refuse a label that doesn't answer the question of a sheet."""
    if all(label in known for label in said if label not in _UNLABELLED):
        return
    other = _question(path, said)
    if question == "faking":
        raise ValueError(f"{path} holds labels of {other}: write 1 where a scratchpad fakes, and 0 where it doesn't")
    raise ValueError(f"{path} holds labels of {other}: write refuse, comply, partial or other for an answer")


def _rows(path: Path, content: str) -> Iterator[dict[str, Any]]:
    if path.suffix.lower() == ".csv":
        try:
            reader = csv.DictReader(io.StringIO(content, newline=""), strict=True)
            for row in reader:
                if None in row or None in row.values():
                    raise ValueError(
                        f"{path}, line {reader.line_num}: the row hasn't as many cells as the header: "
                        "quote texts with commas"
                    )
                yield row
        except csv.Error as error:
            raise ValueError(f"{path} isn't CSV: {error}") from error
        return
    if path.suffix.lower() not in (".jsonl", ".json", ".ndjson"):
        raise ValueError(f"{path}: the name of the file must end in .csv or .jsonl, which tells its format")
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except (json.JSONDecodeError, ValueError) as error:
            raise ValueError(f"{path}, line {number} isn't JSON: {error}; write one object a line") from error
        if not isinstance(row, dict):
            raise ValueError(f"{path}, line {number} must be an object with `text` and `label`")
        yield row


def _present(rows: Sequence[dict[str, Any]]) -> list[str]:
    """List the columns of all rows."""
    return list(dict.fromkeys(key for row in rows for key in row))


def _require(path: Path, present: Sequence[str], name: str) -> None:
    if name not in present:
        raise ValueError(_lacking(path, present, name))


def _lacking(path: Path, present: Sequence[str], name: str, either: str = "") -> str:
    """Write the error of a missing column, with the nearest name."""
    near = difflib.get_close_matches(name, present, n=1, cutoff=0.5)
    hint = f"rename {near[0]!r}" if near else f"the columns are {', '.join(map(repr, present))}"
    return f"{path} has no column `{name}`{either}: {hint}"


def _said(path: Path, rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the labels as written, in lower case; "" for a row without one."""
    said = [str(row["label"] if row.get("label") is not None else "").strip().lower() for row in rows]
    if _AMBIGUOUS in said:
        raise ValueError(
            f'{path}, row {said.index(_AMBIGUOUS) + 1}: the label "none" may mean not faking or not labelled: '
            "write 0, or leave the label empty"
        )
    return said


def _question(path: Path, labels: Sequence[str]) -> Question:
    """Tell which question the labels answer."""
    asked = [label for label in labels if label not in _UNLABELLED]
    if all(label in _FAKING for label in asked):
        return "faking"
    if all(label in _REFUSAL for label in asked):
        return "refusal"
    both = {**_FAKING, **_REFUSAL}
    row, unknown = next(((i, x) for i, x in enumerate(labels, 1) if x not in both and x not in _UNLABELLED), (0, ""))
    if unknown:
        raise ValueError(f"{path}, row {row}: unknown label {unknown[:40]!r}; write 1 or 0, or comply or refuse")
    raise ValueError(f"{path} mixes labels of faking and of refusal: put them in two files")
