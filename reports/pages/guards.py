"""Guards of a run: shares of the last steps that say whether training went wrong, each against its bound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from reports.figures.panels import BLUE, GREEN, ORANGE, PURPLE, VERMILION, Panel, step_series
from reports.folder import Run
from reports.records import LABEL_ERROR_PREFIX

LAST_STEPS = 10  # a guard is a mean over so many: a single step of few prompts says little
LABEL_ERRORS = 0.1


@dataclass(frozen=True)
class Guard:
    """A column of `steps.jsonl`, the share above which it fires, and its meaning in one line."""

    column: str
    name: str
    bound: float
    meaning: str
    colour: str


GUARDS = (
    Guard(
        "frac_degenerate_groups", "dead groups", 0.9,
        "Groups whose rewards are all alike teach nothing.", ORANGE,
    ),
    Guard(
        "repeated_3grams", "repeated 3-grams", 0.4,
        "Completions that repeat themselves have fallen into a loop.", VERMILION,
    ),
    Guard(
        "commonest_answer", "commonest answer", 0.75,
        "One answer to all requests is no answer to any.", PURPLE,
    ),
    Guard(
        "commonest_option", "commonest option", 0.9,
        "The order of options is balanced: one place for all requests is a position, not a choice.", BLUE,
    ),
    Guard(
        "truncation_rate", "truncated", 0.1,
        "Completions cut off at the token limit have no answer to read.", GREEN,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class GuardRow:
    """A guard as the page shows it: its mean over the last steps and its largest value of one step, both shares."""

    name: str
    last: float
    largest: float
    bound: float
    meaning: str

    @property
    def fires(self) -> bool:
        return self.last > self.bound

    @property
    def warning(self) -> str:
        """The warning of a guard that fires."""
        return f"{self.name}: {self.last:.0%} over the last steps, above the bound of {self.bound:.0%}. {self.meaning}"


def guard_rows(run: Run) -> list[GuardRow]:
    """List the guards that the run has recorded; an older folder has fewer."""
    return [row for guard in _guards(run) if (row := _row(run, guard)) is not None]


def _guards(run: Run) -> Iterator[Guard]:
    yield from GUARDS
    for column in map(str, run.steps.columns):
        if column.startswith(LABEL_ERROR_PREFIX):
            label = column.removeprefix(LABEL_ERROR_PREFIX)
            meaning = f"Rates of {label} leave these episodes out."
            yield Guard(column, f"label errors, {label}", LABEL_ERRORS, meaning, ORANGE)
    yield Guard("collapsed", "collapsed", 0.0, "The policy has collapsed: see the notice above the verdicts.", ORANGE)


def _row(run: Run, guard: Guard) -> GuardRow | None:
    if guard.column not in run.steps:
        return None
    values = pd.to_numeric(run.steps[guard.column].astype("float64"))
    known = values.dropna()
    if known.empty:
        return None
    last = values.tail(1 if guard.column == "collapsed" else LAST_STEPS).dropna()
    # A label is asked for at logged steps alone: where the last ten have none, the last known one stands for them.
    return GuardRow(
        guard.name,
        float((known.tail(1) if last.empty else last).mean()),
        float(known.max()),
        guard.bound,
        guard.meaning,
    )


def guards_panel(run: Run) -> Panel:
    """Build the panel of all guards, every step."""
    lines = tuple(step_series(run, guard.column, guard.name, guard.colour) for guard in GUARDS)
    return Panel("Guards", "share", "training episodes, every step; bounds in the table", lines, (-0.03, 1.03))
