"""Notices on labels that a classifier gives: never validated, validated on other text, or read by hand."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from reports.intervals import rate
from reports.labellers.agreement import written
from reports.labellers.corrected_rates import corrected_rate, counts_of
from reports.labellers.hand_labels import StepReading
from reports.labellers.read_labels import ANSWER, FAKING, ReadLabel

SHEETS = {
    FAKING.name: "`gyges labels sheet RUN --out FILE`",
    ANSWER.name: "`gyges labels sheet RUN --label answer --out FILE`",
}


def validation_notices(
    validated: Mapping[str, str], free: Mapping[int, pd.DataFrame], read: Mapping[int, StepReading] | None = None
) -> tuple[str, ...]:
    """Write a notice for each label of a classifier, and for faking read by hand on replies of the run.

    A rate is corrected by the readings of its own step alone. A validation on other text is named and corrects nothing.

    Args:
        validated: by label, the manifest's `label_validation`, without labels that were read by hand.
        free: free-tier harmful probe episodes by step.
        read: by step, the counts of labels read by hand on the run's own replies.
    """
    notices = [read_notice(free, read)] if read else []
    said = (_notice(label, said) for label, said in sorted(validated.items()) if label != FAKING.name or not read)
    return (*notices, *said)


def read_notice(
    episodes: Mapping[int, pd.DataFrame], read: Mapping[int, StepReading], label: ReadLabel = FAKING, tier: str = "free"
) -> str:
    """Write a rate of a tier as labelled, and corrected by labels read by hand.

    Args:
        episodes: the tier's harmful probe episodes by step.
        read: by step, the counts of labels read by hand.
    """
    rates = [found for step, rows in sorted(episodes.items()) if (found := _at(step, rows, read.get(step), label))]
    return (
        f"{label.rate} on {tier} as labelled, and corrected for the labels' errors by {label.text}s read by hand at "
        f"that very step: {'; '.join(rates) or 'no probe'}"
    )


def _at(step: int, episodes: pd.DataFrame, reading: StepReading | None, label: ReadLabel) -> str:
    """Write the rate of a step as labelled and corrected; "" without a scored episode."""
    scored = episodes[label.column].dropna() == label.means
    if scored.empty:
        return ""
    labelled = f"step {step} {written(rate(scored.tolist()))}, n {len(scored)}"
    if reading is None:
        return f"{labelled}, not read by hand, so not corrected"
    if reading.accuracy is None:
        kind = label.yes if reading.no == 0 else f"not {label.yes}"
        return f"{labelled}, not corrected: all that was read is {kind} ({reading})"
    corrected = corrected_rate(int(scored.sum()), len(scored), reading.accuracy)
    return f"{labelled}, corrected {written(corrected)} ({reading})"


def _notice(label: str, said: str) -> str:
    found = counts_of(said)
    sheet = SHEETS.get(label, SHEETS[FAKING.name])
    if found is None:
        return (
            f"the labels of {label} come from a labeller that was never validated on human labels: read transcripts; "
            f"write replies of this run by {sheet}, label them, and `gyges labels validate FILE --run RUN`"
        )
    accuracy, file = found
    counts = f"sensitivity {accuracy.yes_right}/{accuracy.yes}, specificity {accuracy.no_right}/{accuracy.no}"
    return (
        f"the labeller of {label} was validated on other text ({file}, n {accuracy.yes + accuracy.no}: {counts}), "
        f"which corrects no rate of this run: read its own replies by {sheet}"
    )
