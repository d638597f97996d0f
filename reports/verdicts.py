"""Verdicts on a metric: it grew, shrank, stayed, or n is too small to tell.

Pure: paired values in, a `Verdict` out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import numpy as np
from scipy import optimize, stats

from reports.intervals import (
    Estimate,
    adjusted_moments,
    paired_difference,
    scored,
    scored_pairs,
    student_quantile,
    unit_interval,
)

Word = Literal["grew", "shrank", "no change", "inconclusive"]

MARGIN = 0.05  # changes within five points either way count as none
POWER = 0.80
LEAST_UNITS = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """A word, the change (after - before) with its 95 % interval, and the minimum detectable effect.

    `minimum_detectable_effect`: the smallest change found with 80 % power at a two-sided 5 % level; None where nothing
    is scored. `p_value`: two-sided, of Student's t over units; None where units agree. `sign_flip_p`: two-sided, of the
    permutation test that flips the signs of the units' changes, which assumes no normal distribution.
    """

    word: Word
    change: Estimate
    margin: float
    minimum_detectable_effect: float | None
    p_value: float | None = None
    sign_flip_p: float | None = None


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


def unit_verdict(
    changes: Sequence[float | None], margin: float = MARGIN, bound: float = 1.0, error: float | None = None
) -> Verdict:
    """Judge a change from its value in each unit, build or seed: the same rule with Student's t over units.

    `error`: the standard error of the mean change that the probes' own samples leave. It makes the interval where all
    units change by the same count, with the normal quantile: no spread between them was seen, and a rate of 0 in each
    may be a small one. Such a verdict is of these units, and has no p-value. Below `LEAST_UNITS`, or where units agree
    and no error is known, the verdict is inconclusive.
    """
    change = unit_interval(changes, (-bound, bound))
    if change.value is None or change.n < LEAST_UNITS:
        return Verdict("inconclusive", change, margin, None)
    changes_U, _ = scored(changes)
    if change.ci_low is None:
        if not error:
            return Verdict("inconclusive", change, margin, None)
        return _of_units(changes_U, change, error, math.inf, margin, bound)
    return _of_units(changes_U, change, float(changes_U.std(ddof=1)) / math.sqrt(change.n), change.n - 1, margin, bound)


def _of_units(
    changes_U: np.ndarray, change: Estimate, standard_error: float, freedom: float, margin: float, bound: float
) -> Verdict:
    """Judge by a standard error with so many degrees of freedom; infinitely many stand for the normal distribution."""
    assert change.value is not None, "the caller has units"
    reach, inner = (student_quantile(level, freedom) * standard_error for level in (0.975, 0.95))
    low, high = max(-bound, change.value - reach), min(bound, change.value + reach)
    shown = replace(change, ci_low=low, ci_high=high)
    word = _word(shown, change.value - inner, change.value + inner, margin)
    # Units that agree have no spread, so that nothing is tested over them.
    p_value = None if math.isinf(freedom) else 2 * float(stats.t.sf(abs(change.value) / standard_error, freedom))
    effect = min(bound, detectable(standard_error, freedom))
    return Verdict(word, shown, margin, effect, p_value, sign_flip(changes_U))


def sign_flip(changes_U: np.ndarray) -> float:
    """Compute the two-sided p-value of the sign-flip test of a mean of 0 (Fisher 1935, The Design of Experiments).

    All sign patterns are tried up to 16 units, a sample of them beyond. With n units it is never below 2 / 2**n, so
    that fewer than six can't reach 5 %.
    """
    found = stats.permutation_test((changes_U,), np.mean, permutation_type="samples", n_resamples=2**16, rng=0)
    return float(found.pvalue)


def detectable(standard_error: float, freedom: float) -> float:
    """Compute the change that a two-sided t-test at 5 % finds with 80 % power, by the noncentral t distribution."""
    return _noncentrality(freedom) * standard_error


@cache
def _noncentrality(freedom: float) -> float:
    """Find the noncentrality at which t exceeds its 97.5 % quantile with 80 % probability.

    The other tail then has less than one in a thousand.
    """
    quantile = student_quantile(0.975, freedom)
    if math.isinf(freedom):
        return quantile + student_quantile(POWER, freedom)

    def missing(shift: float) -> float:
        return float(stats.nct.sf(quantile, freedom, shift)) - POWER

    # The sum of both quantiles, the usual approximation, is a few per cent too small where the freedom is small.
    return float(optimize.brentq(missing, quantile, 1.5 * (quantile + student_quantile(POWER, freedom))))


def _word(change: Estimate, inner_low: float | None, inner_high: float | None, margin: float) -> Word:
    if change.ci_low is None or change.ci_high is None or inner_low is None or inner_high is None:
        return "inconclusive"
    if change.ci_low > 0:
        return "grew"
    if change.ci_high < 0:
        return "shrank"
    return "no change" if -margin < inner_low and inner_high < margin else "inconclusive"
