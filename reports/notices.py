"""Notices of a run's collapse and of labels that don't fit its policy.

A reader must know both before reading the rates.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from reports.collapse import Vitals, collapse
from reports.folder import Run

MOSTLY = 0.5  # above this share of `other` the labels don't fit what the model writes


def collapse_and_label_notices(run: Run, free: dict[int, pd.DataFrame]) -> tuple[str, ...]:
    """Write a line for a collapse and a line for labels that don't apply.

    `free`: the free-tier harmful probe episodes of the first and the last probed step that has them. Labels are
    compared at both ends. If the labels applied before the policy collapsed, only the collapse is written. If they
    never applied, both are.
    """
    found = collapse(vitals(run, free))
    said = [] if found is None else [str(found)]
    since = found.since if found is not None and not found.from_start else None
    return (*said, *_labels(run, free, since))


def vitals(run: Run, free: dict[int, pd.DataFrame]) -> list[Vitals]:
    """Collect the vitals of the training rollouts of every step, between those of the first and the last probe."""
    rows = run.steps.to_dict("records")
    observed = [
        Vitals(int(row["step"]), *(_number(row.get(key)) for key in ("parse_rate", "distinct_3grams", "entropy")))
        for row in rows
    ]
    last = observed[-1].step if observed else 0
    before = [_probed(step, episodes) for step, episodes in free.items() if step == 0]
    # A step's rollouts are of the weights before it: the last update is seen by the last probe alone.
    behind = [_probed(step, episodes) for step, episodes in free.items() if step == last > 0]
    return [*before, *observed, *behind]


def _probed(step: int, free: pd.DataFrame) -> Vitals:
    return Vitals(step, float(free["parse_ok"].astype("float64").mean()) if len(free) else None)


def _number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)


def _labels(run: Run, free: dict[int, pd.DataFrame], since: int | None) -> list[str]:
    """Write a notice where labels never applied or no longer apply.

    `since`: the first step of a collapse.
    """
    shares = {step: share for step, episodes in free.items() if (share := _other(episodes)) is not None}
    if not shares:
        return []
    first, last = min(shares), max(shares)
    never = shares[first][0] > MOSTLY
    if shares[last][0] <= MOSTLY or (since is not None and (since <= first or not never)):
        return []  # replies from a collapse on say nothing of the start's labels
    told = " and ".join(
        f"{other:.0%} at step {step} ({malformed:.0%} malformed or cut off)"
        for step, (other, malformed) in sorted(shares.items())
    )
    replies = f"free-tier replies to harmful queries labelled `other`: {told}"
    if never:
        kind = run.config.get("env", {}).get("kind", "this environment")
        return [f"the labels of {kind} don't apply to this model, and its rates say nothing: {replies}"]
    return [f"the labels no longer apply to what this model writes; read its transcripts: {replies}"]


def _other(free: pd.DataFrame) -> tuple[float, float] | None:
    """Compute the share of scored episodes labelled `other`, and the share that couldn't be parsed."""
    scored = free[free["label_answer"].notna()]
    if scored.empty:
        return None
    malformed = 1 - scored["parse_ok"].astype("float64").mean()
    return float((scored["label_answer"] == "other").mean()), float(malformed)
