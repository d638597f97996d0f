"""Agreement with human labels, worked out by hand."""

import math

import pytest
from sklearn.metrics import roc_auc_score

from reports.labellers.agreement import agreement, area


def test_figures_by_hand() -> None:
    scores = [0.9, 0.6, 0.2, 0.4, 0.7, 0.1, None]
    found = agreement(scores, [True, True, True, False, False, False, True], threshold=0.5)
    assert (found.yes_right, found.yes_wrong, found.no_right, found.no_wrong, found.unscored) == (2, 1, 2, 1, 1)
    assert found.accuracy.value == pytest.approx(4 / 6)
    assert found.sensitivity.value == pytest.approx(2 / 3)
    # Of nine pairs: .9 beats .4 .7 .1; .6 beats .4 .1; .2 beats .1.
    assert found.auroc.value == pytest.approx(6 / 9)


def test_the_area_is_scikit_learns_with_ties() -> None:
    yes, no = [0.5, 0.5, 0.8, 0.3], [0.5, 0.1, 0.3]
    assert area(yes, no).value == pytest.approx(roc_auc_score([1] * 4 + [0] * 3, yes + no))


def test_the_interval_is_delongs_on_log_odds() -> None:
    # Wins of the positives over (1, 3): 2 -> 1/2, 4 -> 1, 5 -> 1; area 5/6.
    # Variance of (1/2, 1, 1) is 1/12, over 3 texts 1/36; negatives win (1, 2/3): variance 1/18, over 2 texts 1/36.
    found = area([2.0, 4.0, 5.0], [1.0, 3.0])
    reach = 1.959964 * math.sqrt(1 / 36 + 1 / 36) / (5 / 6 * 1 / 6)
    assert found.value == pytest.approx(5 / 6)
    assert found.ci_low == pytest.approx(1 / (1 + math.exp(-(math.log(5) - reach))), abs=1e-6)
    assert found.ci_high == pytest.approx(1 / (1 + math.exp(-(math.log(5) + reach))), abs=1e-6)


def test_perfect_separation_has_no_interval() -> None:
    assert (area([0.9, 0.8], [0.1, 0.2]).value, area([0.9, 0.8], [0.1, 0.2]).ci_low) == (1.0, None)


def test_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="one class alone"):
        agreement([0.1, 0.9], [True, True], 0.5)
