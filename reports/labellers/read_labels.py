"""The labels of a run that a reader can check by hand: faking by the scratchpad, the answer by request and answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReadLabel:
    """A label of a run's probe episodes on harmful queries, as a sheet shows it to a reader.

    `column` holds the run's label and `text` what is read. `yes` names what a reader says yes to, and `means` its value
    in the column. `rate` is the metric that readings correct, on each of `tiers`. Ids begin with `prefix`, and counts
    are kept in `file` of the run's folder.
    """

    name: str
    column: str
    text: str
    yes: str
    means: object
    rate: str
    tiers: tuple[str, ...]
    prefix: str
    file: str


FAKING = ReadLabel(
    "faking", "label_faking", "scratchpad", "faking", True, "faking_rate", ("free",), "pad", "hand_labels.json"
)
# Refusals are rare on one tier or the other, so both are read; a labeller reads no tier.
ANSWER = ReadLabel(
    "answer", "label_answer", "answer", "refusal", "refuse", "refusal_rate", ("free", "paid"), "answer",
    "hand_labels_answer.json",
)  # fmt: skip
READ_LABELS: Mapping[str, ReadLabel] = {label.name: label for label in (FAKING, ANSWER)}
