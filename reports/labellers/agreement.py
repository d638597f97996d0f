"""Agreement of a labeller with human labels: accuracy, AUROC, sensitivity and specificity, with intervals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from reports.intervals import CONFIDENCE, Estimate, rate


@dataclass(frozen=True, slots=True)
class Agreement:
    """Figures of a labeller on texts with human labels.

    Rates have Wilson's interval; the interval of `auroc` is DeLong's.
    """

    accuracy: Estimate
    auroc: Estimate
    sensitivity: Estimate
    specificity: Estimate
    yes_right: int
    yes_wrong: int
    no_right: int
    no_wrong: int
    unscored: int


def agreement(scores: Sequence[float | None], truth: Sequence[bool], threshold: float) -> Agreement:
    """Compare scores with human labels; a score of at least `threshold` says yes, None or NaN is unscored.

    Raises:
        ValueError: if the human labels, or those of the scored texts, are of one class alone.
    """
    pairs = [
        (score, true) for score, true in zip(scores, truth, strict=True) if score is not None and not math.isnan(score)
    ]
    yes = [score for score, true in pairs if true]
    no = [score for score, true in pairs if not true]
    if not yes or not no:
        raise ValueError("the labels are of one class alone: give texts of both, or nothing can be measured")
    right_yes, right_no = [score >= threshold for score in yes], [score < threshold for score in no]
    return Agreement(
        accuracy=rate([*right_yes, *right_no]),
        auroc=area(yes, no),
        sensitivity=rate(right_yes),
        specificity=rate(right_no),
        yes_right=sum(right_yes),
        yes_wrong=len(yes) - sum(right_yes),
        no_right=sum(right_no),
        no_wrong=len(no) - sum(right_no),
        unscored=len(scores) - len(pairs),
    )


def confusion(found: Sequence[str], truth: Sequence[str | None]) -> dict[str, dict[str, int]]:
    """Count a labeller's labels by the human label; texts without a human label are left out."""
    counts = Counter((true, label) for label, true in zip(found, truth, strict=True) if true is not None)
    known, given = sorted({true for true, _ in counts}), sorted({label for _, label in counts})
    return {true: {label: counts[true, label] for label in given if counts[true, label]} for true in known}


def area(yes: Sequence[float], no: Sequence[float]) -> Estimate:
    """Estimate the area under the ROC curve: P(score of a positive text > of a negative one), ties count half.

    The interval is that of DeLong et al. (1988, Biometrics 44:837-845) on the scale of log-odds, so that it stays in
    [0, 1]. It is None where a class has one text, or where the areas don't vary, as under perfect separation.
    """
    yes_N, no_N = np.asarray(yes, dtype=np.float64), np.asarray(no, dtype=np.float64)
    wins_NM = (yes_N[:, None] > no_N[None, :]) + 0.5 * (yes_N[:, None] == no_N[None, :])
    value = float(wins_NM.mean())
    n = len(yes_N) + len(no_N)
    if min(len(yes_N), len(no_N)) < 2:
        return Estimate(value, None, None, n, 0)
    variance = float(wins_NM.mean(1).var(ddof=1)) / len(yes_N) + float(wins_NM.mean(0).var(ddof=1)) / len(no_N)
    if variance <= 0 or not 0 < value < 1:
        return Estimate(value, None, None, n, 0)
    reach = float(stats.norm.ppf(0.5 + CONFIDENCE / 2)) * math.sqrt(variance) / (value * (1 - value))
    centre = math.log(value / (1 - value))
    low, high = (1 / (1 + math.exp(-end)) for end in (centre - reach, centre + reach))
    return Estimate(value, low, high, n, 0)


def written(estimate: Estimate, digits: int = 2) -> str:
    """Write an estimate as `0.30 [0.22, 0.40]`; "undefined" without a value."""
    if estimate.value is None:
        return "undefined"
    if estimate.ci_low is None or estimate.ci_high is None:
        return f"{estimate.value:.{digits}f} [no interval]"
    return f"{estimate.value:.{digits}f} [{estimate.ci_low:.{digits}f}, {estimate.ci_high:.{digits}f}]"
