"""Rates corrected for the errors of a labeller, by its measured sensitivity and specificity."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from scipy import stats

from reports.intervals import CONFIDENCE, Estimate

_COUNTS = re.compile(r"sensitivity=(\d+)/(\d+), specificity=(\d+)/(\d+)(?:, file=(.+))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Counts of a labeller on human labels: right ones among the positive and among the negative texts."""

    yes_right: int
    yes: int
    no_right: int
    no: int


def counts_of(text: str) -> tuple[Accuracy, str] | None:
    """Read counts and file from a line such as "sensitivity=34/40, specificity=54/60, file=pads.csv".

    Lines of older folders name no file. None for other text, and for counts without both kinds of text.
    """
    found = _COUNTS.search(text)
    if found is None:
        return None
    *counts, file = found.groups()
    accuracy = Accuracy(*map(int, counts))
    return (accuracy, file or "a file without a name") if accuracy.yes and accuracy.no else None


def corrected_rate(events: int, n: int, accuracy: Accuracy) -> Estimate:
    """Estimate the true rate behind `events` of `n` texts that a labeller flagged.

    The estimate is (p + specificity - 1) / (sensitivity + specificity - 1), clipped to [0, 1] (Rogan & Gladen 1978,
    American Journal of Epidemiology 107:71-76). The interval adds the variance of both accuracies and is adjusted for
    small counts (Lang & Reiczigel 2014, Preventive Veterinary Medicine 113:13-22). All values are None for n = 0, and
    for a labeller no better than chance, whose sensitivity and specificity sum to 1 or less.
    """
    sensitivity, specificity = accuracy.yes_right / accuracy.yes, accuracy.no_right / accuracy.no
    if n == 0 or sensitivity + specificity <= 1:
        return Estimate(None, None, None, n, 0)
    value = (events / n + specificity - 1) / (sensitivity + specificity - 1)
    z = float(stats.norm.ppf(0.5 + CONFIDENCE / 2))
    n_z, yes, no = n + z**2, accuracy.yes + 2, accuracy.no + 2
    p = (events + z**2 / 2) / n_z
    se, sp = (accuracy.yes_right + 1) / yes, (accuracy.no_right + 1) / no
    if se + sp <= 1:
        return Estimate(_clipped(value), None, None, n, 0)
    centre = (p + sp - 1) / (se + sp - 1)
    of_se, of_sp = se * (1 - se) / yes, sp * (1 - sp) / no
    shift = 2 * z**2 * (centre * of_se - (1 - centre) * of_sp)
    variance = (p * (1 - p) / n_z + centre**2 * of_se + (1 - centre) ** 2 * of_sp) / (se + sp - 1) ** 2
    reach = z * math.sqrt(variance)
    low, high = _clipped(centre + shift - reach), _clipped(centre + shift + reach)
    return Estimate(_clipped(value), min(low, _clipped(value)), max(high, _clipped(value)), n, 0)


def _clipped(value: float) -> float:
    return min(1.0, max(0.0, value))
