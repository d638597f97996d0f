"""Pure: the middle of a few noisy times, and a ratio of two things that were timed in turn."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom


@dataclass(frozen=True)
class Middle:
    """A median, and two of the values that hold the true one between them with the chance `coverage`."""

    value: float
    low: float
    high: float
    coverage: float
    n: int


def middle(values: Sequence[float], wanted: float = 0.95) -> Middle:
    """The median with the narrowest interval of order statistics that covers `wanted`; the range where none does.

    The k-th smallest and the k-th largest of n hold the median with the chance 1 - 2 P(Binomial(n, 1/2) < k): no shape
    of the noise is assumed (David & Nagaraja 2003, "Order statistics", section 7.1).

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
    """The median over rounds of `above / below`: what slows a whole round down slows both, and cancels.

    Raises:
        ValueError: if the rounds don't pair up.
    """
    if len(above) != len(below):
        raise ValueError(f"{len(above)} rounds can't be paired with {len(below)}: measure both in every round")
    return middle([a / b for a, b in zip(above, below, strict=True)])
