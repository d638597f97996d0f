"""Variance components of an arm: the spread between builds, and between seeds of RL within a build.

Pure: values by build in, standard deviations out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Spread:
    """Standard deviations over builds and over seeds within a build, in the metric's own unit.

    `seeds` holds the error of the probe too; it is None where no build has two scored seeds. `builds` then holds the
    spread of seeds as well, and it is None with fewer than two scored builds. `n_builds` and `n_runs` count the scored.
    """

    builds: float | None
    seeds: float | None
    n_builds: int
    n_runs: int


def spread(values: Mapping[str, Sequence[float | None]]) -> Spread:
    """Estimate both components by the analysis of variance of a nested design, unequal numbers of seeds allowed.

    The estimate over builds is (mean square between - mean square within) / n0, cut off at 0, with n0 = (N - sum of
    squared numbers / N) / (builds - 1) (Searle, Casella & McCulloch 1992, Variance Components, ch. 3.6).
    """
    groups = [np.array([one for one in of if one is not None], dtype=np.float64) for of in values.values()]
    groups = [group for group in groups if len(group)]
    sizes = np.array([len(group) for group in groups], dtype=np.float64)
    n_runs, n_builds = int(sizes.sum()), len(groups)
    if n_builds == 0:
        return Spread(None, None, 0, 0)
    freedom = n_runs - n_builds
    within = sum(float(((group - group.mean()) ** 2).sum()) for group in groups) / freedom if freedom else None
    seeds = None if within is None else math.sqrt(within)
    if n_builds == 1:
        return Spread(None, seeds, 1, n_runs)
    whole = float(np.concatenate(groups).mean())
    between = sum(len(group) * (float(group.mean()) - whole) ** 2 for group in groups) / (n_builds - 1)
    n0 = (n_runs - float((sizes**2).sum()) / n_runs) / (n_builds - 1)
    return Spread(math.sqrt(max(0.0, between - (within or 0.0)) / n0), seeds, n_builds, n_runs)
