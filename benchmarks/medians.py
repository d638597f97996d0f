"""Medians of a few noisy times, and ratios of two things timed in turn. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom


@dataclass(frozen=True)
class Middle:
    """A median with its interval.

    The true median lies between `low` and `high` with the probability `coverage`.
    """

    value: float
    low: float
    high: float
    coverage: float
    n: int


def middle(values: Sequence[float], wanted: float = 0.95) -> Middle:
    """Compute the median with the narrowest interval of order statistics that covers `wanted`.

    The interval is the range of the values if none covers `wanted`. The k-th smallest and the k-th largest of n enclose
    the median with the probability 1 - 2 P(Binomial(n, 1/2) < k). No shape of the noise is assumed (David & Nagaraja
    2003, "Order statistics", section 7.1).

    Raises:
        ValueError: without values.
    """
    if not values:
        raise ValueError("no values to take a median of: measure at least one round")
    ordered, n = sorted(values), len(values)
    covers = {k: 1 - 2 * float(binom.cdf(k - 1, n, 0.5)) for k in range(1, (n + 1) // 2 + 1)}
    rank = max((k for k, coverage in covers.items() if coverage >= wanted), default=1)
    return Middle(float(np.median(ordered)), ordered[rank - 1], ordered[n - rank], max(covers[rank], 0.0), n)


def paired_ratio(above: Sequence[float], below: Sequence[float]) -> Middle:
    """Compute the median over rounds of `above / below`.

    A slow round slows both, so the slowness cancels.

    Raises:
        ValueError: if the numbers of rounds differ.
    """
    if len(above) != len(below):
        raise ValueError(f"{len(above)} rounds can't be paired with {len(below)}: measure both in every round")
    return middle([a / b for a, b in zip(above, below, strict=True)])
