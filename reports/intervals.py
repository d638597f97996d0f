"""Point estimates with 95 % intervals.

Pure: numbers in, an `Estimate` out; None and NaN are unscored, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special, stats

CONFIDENCE = 0.95
ROUNDING = 1e-9  # counts that are equal differ by less after a division or a subtraction


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval; None where undefined.

    `n` counts the scored values, `unscored` the others.
    """

    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    unscored: int


def scored(values: Sequence[float | None]) -> tuple[np.ndarray, int]:
    """Return the scored values as float64 `[n]`, and the number of values that are None or NaN."""
    values_N = np.array([math.nan if value is None else float(value) for value in values], dtype=np.float64)
    kept = ~np.isnan(values_N)
    return values_N[kept], int((~kept).sum())


def scored_pairs(first: Sequence[float | None], second: Sequence[float | None]) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the pairs with both sides scored, as two arrays `[n]`, and the number of other pairs.

    Raises `ValueError` where the lengths differ: such values are no pairs.
    """
    if len(first) != len(second):
        raise ValueError(f"pairs need equal lengths, got {len(first)} and {len(second)}: align both on query_id")
    pairs_N2 = np.array(
        [[math.nan if side is None else float(side) for side in pair] for pair in zip(first, second, strict=True)],
        dtype=np.float64,
    ).reshape(-1, 2)
    kept = ~np.isnan(pairs_N2).any(axis=1)
    return pairs_N2[kept, 0], pairs_N2[kept, 1], int((~kept).sum())


def student_quantile(probability: float, freedom: float) -> float:
    """Compute a quantile of Student's t with `freedom` degrees of freedom; infinitely many are the normal's.

    `stats.t.ppf` gives the same value a hundred times more slowly, which makes simulations slow.
    """
    return float(special.stdtrit(freedom, probability))


def rate(outcomes: Sequence[bool | None]) -> Estimate:
    """Estimate the share of true outcomes with Wilson's score interval (Wilson 1927, JASA 22:209-212)."""
    values_N, unscored = scored(outcomes)
    n = len(values_N)
    if n == 0:
        return Estimate(None, None, None, 0, unscored)
    events = int(values_N.sum())
    interval = stats.binomtest(events, n).proportion_ci(confidence_level=CONFIDENCE, method="wilson")
    return Estimate(events / n, float(interval.low), float(interval.high), n, unscored)


def adjusted_moments(differences_N: np.ndarray, bound: float) -> tuple[float, float, int]:
    """Compute centre, standard error and degrees of freedom of a mean paired difference, adjusted by two pseudo-pairs.

    Agresti & Min 2005 (Statistics in Medicine 24:729-740): adding 1/2 to each of the four cells of a table of matched
    pairs mends the Wald interval. These are two pseudo-pairs spread evenly over the cells, with mean difference 0 and
    sum of squares 2 x 2 x 1/4 = 1. A change of a gap is made of four binary outcomes instead of two: the same two
    pseudo-pairs spread evenly over its sixteen cells have sum of squares 2 x 4 x 1/4 = 2. So for differences in
    [-bound, bound], made of 2 x bound outcomes, the pseudo-pairs add `bound` to the sum of squares.
    """
    n_adjusted = len(differences_N) + 2
    total = float(differences_N.sum())
    squares = float((differences_N**2).sum()) + bound
    standard_error = math.sqrt(squares - total**2 / n_adjusted) / n_adjusted
    return total / n_adjusted, standard_error, n_adjusted - 1


def paired_difference(
    first: Sequence[float | None],
    second: Sequence[float | None],
    *,
    bound: float = 1.0,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """Estimate the mean of first - second over the pairs with both sides scored, with an adjusted Wald interval.

    `bound` is the largest possible |first - second|: 1 for outcomes in {0, 1} or rates, 2 for gaps in {-1, 0, 1}. The
    interval is `adjusted_moments` with Student's t in place of the normal quantile. With the normal quantile the exact
    size of the test "the interval excludes 0" exceeds 5 % (up to 5.4 %, more below n = 20). With Student's t the size
    stays below 5 % for every n, as long as pairs disagree no more often than two independent draws can (half of the
    time). The interval keeps a width where no pair is discordant, unlike Wald's. Raises `ValueError` for a difference
    beyond the bound.
    """
    first_N, second_N, unscored = scored_pairs(first, second)
    differences_N = first_N - second_N
    n = len(differences_N)
    if n == 0:
        return Estimate(None, None, None, 0, unscored)
    if float(np.abs(differences_N).max()) > bound + 1e-9:
        raise ValueError(f"a paired difference exceeds its bound {bound:g}: pass the largest possible one as bound")
    centre, standard_error, freedom = adjusted_moments(differences_N, bound)
    reach = student_quantile(0.5 + confidence / 2, freedom) * standard_error
    return Estimate(float(differences_N.mean()), max(-bound, centre - reach), min(bound, centre + reach), n, unscored)


def ratio(numerator: Sequence[bool | None], denominator: Sequence[bool | None]) -> Estimate:
    """Estimate the paired ratio of two rates, P(numerator) / P(denominator); None where the denominator has no events.

    The interval is a log interval (Katz et al. 1978, Biometrics 34:469-474). Its variance is that of matched pairs, (b
    + c) / (x y) (Nam & Blackwelder 2002, Statistics in Medicine 21:689-699). Here x and y are the events on either
    side, b and c the discordant pairs. Half an event is added to each cell, as in `adjusted_moments`, so that no
    interval collapses.
    """
    top_N, bottom_N, unscored = scored_pairs(numerator, denominator)
    n, top, bottom = len(top_N), float(top_N.sum()), float(bottom_N.sum())
    if bottom == 0:
        return Estimate(None, None, None, n, unscored)
    discordant = float(np.abs(top_N - bottom_N).sum())
    value = top / bottom
    centre = math.log((top + 1) / (bottom + 1))
    reach = float(stats.norm.ppf(0.5 + CONFIDENCE / 2)) * math.sqrt((discordant + 1) / ((top + 1) * (bottom + 1)))
    # The centre is shrunk towards 1, so the raw ratio may lie outside (always, where it is 0): keep it inside.
    return Estimate(
        value, min(value, math.exp(centre - reach)) if top else 0.0, max(value, math.exp(centre + reach)), n, unscored
    )


def mean_estimate(values: Sequence[float | None]) -> Estimate:
    """Estimate a mean with Student's t interval (Student 1908, Biometrika 6:1-25); a single value has no interval."""
    values_N, unscored = scored(values)
    n = len(values_N)
    if n == 0:
        return Estimate(None, None, None, 0, unscored)
    mean = float(values_N.mean())
    if n == 1:
        return Estimate(mean, None, None, 1, unscored)
    reach = student_quantile(0.5 + CONFIDENCE / 2, n - 1) * float(values_N.std(ddof=1)) / math.sqrt(n)
    return Estimate(mean, mean - reach, mean + reach, n, unscored)


def unit_interval(values: Sequence[float | None], limits: tuple[float, float] | None = None) -> Estimate:
    """Estimate the mean over units, from one value for each build or seed, with Student's t interval over them.

    `n` counts units. The interval is None where all values agree, as in `without_empty_interval`. `limits` is the
    possible range, (0, 1) for a rate. Clipping to the range costs no coverage: the truth lies inside.
    """
    found = without_empty_interval(mean_estimate(values))
    if limits is None or found.ci_low is None or found.ci_high is None:
        return found
    return replace(found, ci_low=max(limits[0], found.ci_low), ci_high=min(limits[1], found.ci_high))


def without_empty_interval(estimate: Estimate) -> Estimate:
    """Remove an interval of width zero.

    Values that agree to the last count say nothing of their spread.
    """
    low, high = estimate.ci_low, estimate.ci_high
    empty = low is not None and high is not None and high - low < ROUNDING
    return replace(estimate, ci_low=None, ci_high=None) if empty else estimate


def percentile(values: Sequence[float | None], q: float) -> Estimate:
    """Estimate the q-th percentile (0 to 100, linear between order statistics) with a distribution-free interval.

    The interval runs between two order statistics whose ranks come from the binomial distribution (Conover 1999,
    Practical Nonparametric Statistics, ch. 3.2). An end is None where the sample is too small to have one.
    """
    if not 0 < q < 100:
        raise ValueError(f"q is a percentile strictly between 0 and 100, got {q}")
    values_N, unscored = scored(values)
    n = len(values_N)
    if n == 0:
        return Estimate(None, None, None, 0, unscored)
    ordered_N = np.sort(values_N)
    tail = (1 - CONFIDENCE) / 2
    # P(rank-th smallest > true quantile) = P(at most rank - 1 of n below it) must not exceed the tail.
    low_rank = int(stats.binom.ppf(tail, n, q / 100))
    high_rank = int(stats.binom.ppf(1 - tail, n, q / 100)) + 1
    return Estimate(
        float(np.percentile(values_N, q)),
        float(ordered_N[low_rank - 1]) if low_rank >= 1 else None,
        float(ordered_N[high_rank - 1]) if high_rank <= n else None,
        n,
        unscored,
    )
