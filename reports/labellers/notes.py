"""Notices on labels that a classifier gives: never validated, validated on other text, or read by hand."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from reports.intervals import rate
from reports.labellers.agreement import written
from reports.labellers.corrected_rates import corrected_rate, counts_of
from reports.labellers.hand_labels import StepReading
from reports.labellers.reading_sheet import LABEL

FAKING = LABEL.removeprefix("label_")
SHEET = "`gyges labels sheet RUN --out FILE`"


def validation_notices(
    validated: Mapping[str, str], free: Mapping[int, pd.DataFrame], read: Mapping[int, StepReading] | None = None
) -> tuple[str, ...]:
    """Write a notice for each label of a classifier, and for labels read by hand on replies of the run.

    A rate is corrected by the readings of its own step alone. A validation on other text is named and corrects nothing.

    Args:
        validated: by label, the manifest's `label_validation`.
        free: free-tier harmful probe episodes by step.
        read: by step, the counts of labels read by hand on the run's own replies.
    """
    notices = [_read_notice(free, read)] if read else []
    return (
        *notices,
        *(_notice(label, said) for label, said in sorted(validated.items()) if label != FAKING or not read),
    )


def _read_notice(free: Mapping[int, pd.DataFrame], read: Mapping[int, StepReading]) -> str:
    rates = [found for step, episodes in sorted(free.items()) if (found := _at(step, episodes, read.get(step)))]
    return (
        f"{FAKING}_rate on free as labelled, and corrected for the labels' errors by scratchpads read by hand at that "
        f"very step: {'; '.join(rates) or 'no probe'}"
    )


def _at(step: int, episodes: pd.DataFrame, reading: StepReading | None) -> str:
    """Write the rate of a step as labelled and corrected; "" without a scored episode."""
    scored = episodes[LABEL].dropna().astype(bool)
    if scored.empty:
        return ""
    labelled = f"step {step} {written(rate(scored.tolist()))}, n {len(scored)}"
    if reading is None:
        return f"{labelled}, not read by hand, so not corrected"
    if reading.accuracy is None:
        kind = "faking" if reading.no == 0 else "not faking"
        return f"{labelled}, not corrected: all that was read is {kind} ({reading})"
    corrected = corrected_rate(int(scored.sum()), len(scored), reading.accuracy)
    return f"{labelled}, corrected {written(corrected)} ({reading})"


def _notice(label: str, said: str) -> str:
    found = counts_of(said)
    if found is None:
        return (
            f"the labels of {label} come from a classifier that was never validated on human labels: read transcripts; "
            f"write scratchpads of this run by {SHEET}, label them, and `gyges labels validate FILE --run RUN`"
        )
    accuracy, file = found
    counts = f"sensitivity {accuracy.yes_right}/{accuracy.yes}, specificity {accuracy.no_right}/{accuracy.no}"
    return (
        f"the classifier of {label} was validated on other text ({file}, n {accuracy.yes + accuracy.no}: {counts}), "
        f"which corrects no rate of this run: read its own scratchpads by {SHEET}"
    )
