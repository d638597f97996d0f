"""Notices on labels that a classifier gives: never validated, or with rates corrected for its errors."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from reports.intervals import Estimate, rate
from reports.labellers.corrected_rates import Accuracy, corrected_rate


def validation_notices(validated: Mapping[str, str], free: Mapping[int, pd.DataFrame]) -> tuple[str, ...]:
    """Write a notice for each label that a classifier gives.

    Args:
        validated: by label, the manifest's line on its validation, such as "sensitivity=34/40, specificity=54/60".
        free: the free-tier harmful probe episodes by step.
    """
    return tuple(_notice(label, said, free) for label, said in sorted(validated.items()))


def _notice(label: str, said: str, free: Mapping[int, pd.DataFrame]) -> str:
    accuracy = Accuracy.read(said)
    if accuracy is None:
        return (
            f"the labels of {label} come from a classifier that was never validated on human labels: read transcripts, "
            "and measure it by `gyges labels validate FILE --save`"
        )
    rates = "; ".join(
        found for step, episodes in sorted(free.items()) if (found := _at(step, label, episodes, accuracy))
    )
    errors = f"sensitivity {accuracy.yes_right}/{accuracy.yes}, specificity {accuracy.no_right}/{accuracy.no}"
    return (
        f"{label}_rate on free as labelled, and corrected for its classifier's errors ({errors}): {rates or 'no probe'}"
    )


def _at(step: int, label: str, episodes: pd.DataFrame, accuracy: Accuracy) -> str:
    """Write the rate of a step as labelled and corrected; "" without a scored episode."""
    column = f"label_{label}"
    if column not in episodes:
        return ""
    scored = episodes[column].dropna().astype(bool)
    if scored.empty:
        return ""
    corrected = corrected_rate(int(scored.sum()), len(scored), accuracy)
    return f"step {step} {_written(rate(scored.tolist()))}, corrected {_written(corrected)}, n {len(scored)}"


def _written(estimate: Estimate) -> str:
    if estimate.value is None:
        return "undefined"
    if estimate.ci_low is None or estimate.ci_high is None:
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} [{estimate.ci_low:.2f}, {estimate.ci_high:.2f}]"
