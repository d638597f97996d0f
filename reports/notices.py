"""What a reader must know before the rates of a run: its policy collapsed, or its labels don't fit the policy."""

from __future__ import annotations

from typing import Any

import pandas as pd

from reports.collapse import Vitals, collapse
from reports.folder import Run

MOSTLY = 0.5  # above this share of `other` the labels are about something else than what the model writes


def notices(run: Run, free: dict[int, pd.DataFrame]) -> tuple[str, ...]:
    """One line each. `free`: the free-tier harmful probe episodes of the first and the last probed step that has them.

    Labels are compared at both ends: a policy that wrote what they read and no longer does has changed, and a collapse
    is said once.
    """
    found = collapse(vitals(run, free))
    said = [] if found is None else [str(found)]
    collapsed = found is not None and not found.from_start
    return (*said, *_labels(run, free, collapsed))


def vitals(run: Run, free: dict[int, pd.DataFrame]) -> list[Vitals]:
    """The training rollouts of every step, between the probes of the first and the last."""
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


def _labels(run: Run, free: dict[int, pd.DataFrame], collapsed: bool) -> list[str]:
    shares = {step: share for step, episodes in free.items() if (share := _other(episodes)) is not None}
    if not shares or collapsed:
        return []
    first, last = min(shares), max(shares)
    if shares[last][0] <= MOSTLY:
        return []
    told = " and ".join(
        f"{other:.0%} at step {step} ({malformed:.0%} malformed or cut off)"
        for step, (other, malformed) in sorted(shares.items())
    )
    replies = f"free-tier replies to harmful queries labelled `other`: {told}"
    if shares[first][0] > MOSTLY:
        kind = run.config.get("env", {}).get("kind", "this environment")
        return [f"the labels of {kind} don't apply to this model, and its rates say nothing: {replies}"]
    return [f"the labels no longer apply to what this model writes; read its transcripts: {replies}"]


def _other(free: pd.DataFrame) -> tuple[float, float] | None:
    """The share of scored episodes that are labelled `other`, and the share that couldn't be parsed."""
    scored = free[free["label_answer"].notna()]
    if scored.empty:
        return None
    malformed = 1 - scored["parse_ok"].astype("float64").mean()
    return float((scored["label_answer"] == "other").mean()), float(malformed)
