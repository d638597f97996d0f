"""Detection of a policy's collapse: unreadable replies, no variety, or no entropy, up to the end of its run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MIN_PARSE_RATE = 0.5
MIN_DISTINCT_3GRAMS = 0.2  # relative to the first observation
MIN_ENTROPY = 0.05  # nats a token


@dataclass(frozen=True)
class Vitals:
    """Parse rate, share of distinct 3-grams and entropy (nats a token) at one step; None where missing."""

    step: int
    parse_rate: float | None
    distinct_3grams: float | None = None
    entropy: float | None = None


@dataclass(frozen=True)
class Collapse:
    """Signs of collapse that lie below their bound from step `since` to the last step.

    `from_start`: the signs were below their bounds at the first step too, so nothing fell.
    """

    since: int
    signs: tuple[str, ...]
    from_start: bool

    def __str__(self) -> str:
        signs = "; ".join(self.signs)
        if self.from_start:
            return f"no sign of collapse, since the start was no better: {signs}, from the first step on"
        return f"collapsed since step {self.since}: {signs}"


def collapse(observed: Sequence[Vitals]) -> Collapse | None:
    """Find the signs that hold at the last observation, and the step since when they hold without a break.

    A sign that holds at every observation is no collapse, and is reported only where there is no other. A missing value
    neither breaks a stretch nor makes one.
    """
    fallen: list[tuple[int, str]] = []
    never_up: list[tuple[int, str]] = []
    for series, bound, wording in _series(observed):
        known = [(vitals.step, value) for vitals, value in zip(observed, series, strict=True) if value is not None]
        above = [index for index, (_, value) in enumerate(known) if value >= bound]
        start = above[-1] + 1 if above else 0
        if start < len(known):
            (fallen if above else never_up).append((known[start][0], wording.format(known[-1][1])))
    signs = fallen or never_up
    if not signs:
        return None
    return Collapse(min(step for step, _ in signs), tuple(sign for _, sign in signs), from_start=not fallen)


def collapsed_now(observed: Sequence[Vitals]) -> bool:
    """Tell whether the policy has collapsed by the last observation; signs that hold from the start are no collapse."""
    found = collapse(observed)
    return found is not None and not found.from_start


def _series(observed: Sequence[Vitals]) -> list[tuple[list[float | None], float, str]]:
    """Collect each of the three signs as its values over the observations, its bound and its wording."""
    distinct = [_known(vitals.distinct_3grams) for vitals in observed]
    start = next((value for value in distinct if value is not None), None)
    of_start = [value / start if value is not None and start else None for value in distinct]
    entropies = [_known(vitals.entropy) for vitals in observed]
    parsed = [_known(vitals.parse_rate) for vitals in observed]
    return [
        (parsed, MIN_PARSE_RATE, f"parse rate {{:.2f}} (bound {MIN_PARSE_RATE})"),
        (of_start, MIN_DISTINCT_3GRAMS, f"distinct 3-grams {{:.2f}} of the start's (bound {MIN_DISTINCT_3GRAMS})"),
        (entropies, MIN_ENTROPY, f"entropy {{:.3f}} nats a token (bound {MIN_ENTROPY})"),
    ]


def _known(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value
