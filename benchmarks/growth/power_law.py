"""Fit of a power law. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import linregress, t


@dataclass(frozen=True)
class PowerLaw:
    """cost = factor * size ** exponent, by least squares on logarithms; `low` and `high` bound the exponent at 95 %.

    The interval is Student's for n - 2 degrees of freedom. It says how well one straight line fits these points, not
    how the cost grows beyond them. `low` and `high` are None for two points.
    """

    exponent: float
    low: float | None
    high: float | None
    factor: float

    def __call__(self, size: float) -> float:
        return float(self.factor * size**self.exponent)


def fit(sizes: Sequence[float], costs: Sequence[float]) -> PowerLaw:
    """Fit a power law by least squares on logarithms.

    Raises:
        ValueError: for fewer than two sizes, or values that aren't positive.
    """
    if len(set(sizes)) < 2 or len(sizes) != len(costs):
        raise ValueError(f"an exponent needs costs at two sizes or more, got {len(set(sizes))}: raise --points")
    if min(*sizes, *costs) <= 0:
        raise ValueError("a power law is fitted to what is positive")
    line = linregress(np.log(sizes), np.log(costs))
    slope, factor = float(line.slope), float(np.exp(line.intercept))
    if len(sizes) < 3:
        return PowerLaw(slope, None, None, factor)
    half = float(t.ppf(0.975, len(sizes) - 2)) * float(line.stderr)
    return PowerLaw(slope, slope - half, slope + half, factor)
