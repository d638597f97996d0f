"""Verdicts on a metric: it grew, shrank, stayed, or n is too small to tell.

Pure: paired values in, a `Verdict` out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from reports.intervals import (
    Estimate,
    adjusted_moments,
    paired_difference,
    scored,
    scored_pairs,
    seed_interval,
    student_quantile,
)

Word = Literal["grew", "shrank", "no change", "inconclusive"]

MARGIN = 0.05  # changes within five points either way count as none
POWER = 0.80
LEAST_SEEDS = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """A word, the change (after - before) with its 95 % interval, and the minimum detectable effect.

    `minimum_detectable_effect`: the smallest change found with 80 % power at a two-sided 5 % level; None where nothing
    is scored.
    """

    word: Word
    change: Estimate
    margin: float
    minimum_detectable_effect: float | None


def verdict(
    before: Sequence[float | None], after: Sequence[float | None], margin: float = MARGIN, bound: float = 1.0
) -> Verdict:
    """Judge the change of a metric from its per-query values at two steps (or in two arms), paired by position.

    `grew` / `shrank`: the 95 % paired interval excludes 0. A change of zero is thus called so in at most 5 % of runs.

    `no change`: otherwise, and the 90 % interval lies inside +-margin: two one-sided tests at 5 % (Schuirmann 1987, J.
    Pharmacokinet. Biopharm. 15:657-680). A change both real and within the margin is called real: its size is printed
    beside the word.

    `bound`: as in `paired_difference`, 1 for rates and 2 for gaps.
    """
    change = paired_difference(after, before, bound=bound)
    inner = paired_difference(after, before, bound=bound, confidence=0.90)
    after_N, before_N, _ = scored_pairs(after, before)
    effect = None
    if change.n:
        _, standard_error, freedom = adjusted_moments(after_N - before_N, bound)
        effect = min(bound, detectable(standard_error, freedom))
    return Verdict(_word(change, inner.ci_low, inner.ci_high, margin), change, margin, effect)


def seed_verdict(changes: Sequence[float | None], margin: float = MARGIN, bound: float = 1.0) -> Verdict:
    """Judge a change from its value in each seed: the same rule with Student's t over seeds as the interval.

    Below `LEAST_SEEDS`, or where all seeds change by the same count, the verdict is inconclusive: no spread was seen.
    """
    change = seed_interval(changes, (-bound, bound))
    # No interval: seeds that agree say nothing of their spread, and a rate that is 0 in each may be a small one.
    if change.value is None or change.n < LEAST_SEEDS or change.ci_low is None:
        return Verdict("inconclusive", change, margin, None)
    changes_S, _ = scored(changes)
    freedom = change.n - 1
    standard_error = float(changes_S.std(ddof=1)) / math.sqrt(change.n)
    reach = student_quantile(0.95, freedom) * standard_error
    word = _word(change, change.value - reach, change.value + reach, margin)
    return Verdict(word, change, margin, min(bound, detectable(standard_error, freedom)))


def detectable(standard_error: float, freedom: int) -> float:
    """Compute the usual approximation to the minimum detectable effect, (t at 97.5 % + t at 80 %) x standard error."""
    return (student_quantile(0.975, freedom) + student_quantile(POWER, freedom)) * standard_error


def _word(change: Estimate, inner_low: float | None, inner_high: float | None, margin: float) -> Word:
    if change.ci_low is None or change.ci_high is None or inner_low is None or inner_high is None:
        return "inconclusive"
    if change.ci_low > 0:
        return "grew"
    if change.ci_high < 0:
        return "shrank"
    return "no change" if -margin < inner_low and inner_high < margin else "inconclusive"
