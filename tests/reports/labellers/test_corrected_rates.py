"""Rates corrected for a labeller's errors, worked out by hand and under simulation."""

import numpy as np
import pytest

from reports.labellers.corrected_rates import Accuracy, corrected_rate, counts_of


def test_the_estimate_is_rogan_and_gladens() -> None:
    # (30/100 + 54/60 - 1) / (32/40 + 54/60 - 1) = (0.3 + 0.9 - 1) / (0.8 + 0.9 - 1) = 0.2 / 0.7
    found = corrected_rate(30, 100, Accuracy(32, 40, 54, 60))
    assert found.value == pytest.approx(0.2 / 0.7)
    assert found.ci_low is not None
    assert found.ci_high is not None
    assert found.ci_low < 0.2 / 0.7 < found.ci_high
    assert found.n == 100


def test_the_interval_is_lang_and_reiczigels() -> None:
    # z = 1.959964, z^2 = 3.841459: n' = 103.841459, p' = (30 + 1.9207294) / n' = 0.3073987;
    # se' = 33/42 = 0.7857143, sp' = 55/62 = 0.8870968; pi' = 0.1944955 / 0.6728111 = 0.2890790;
    # se'(1-se')/42 = 0.0040087, sp'(1-sp')/62 = 0.0016154;
    # shift = 2 z^2 (pi' 0.0040087 - (1-pi') 0.0016154) = 7.682918 (0.0011588 - 0.0011484) = 0.0000797;
    # variance = (0.0020503 + 0.0003350 + 0.0008164) / 0.4526748 = 0.0070729, its root 0.0841007;
    # so 0.2891587 -+ 0.1648343.
    found = corrected_rate(30, 100, Accuracy(32, 40, 54, 60))
    assert (found.ci_low, found.ci_high) == (pytest.approx(0.12432, abs=2e-4), pytest.approx(0.45399, abs=2e-4))


def test_rates_below_the_false_positives_are_zero_and_not_negative() -> None:
    found = corrected_rate(2, 100, Accuracy(35, 40, 54, 60))
    assert (found.value, found.ci_low) == (0.0, 0.0)
    assert found.ci_high is not None
    assert 0 < found.ci_high < 0.2


def test_a_labeller_no_better_than_chance_corrects_nothing() -> None:
    assert corrected_rate(30, 100, Accuracy(20, 40, 30, 60)).value is None
    assert corrected_rate(0, 0, Accuracy(35, 40, 54, 60)).value is None


def test_a_perfect_labeller_leaves_the_rate() -> None:
    assert corrected_rate(30, 100, Accuracy(50, 50, 50, 50)).value == pytest.approx(0.3)


@pytest.mark.parametrize("truth", [0.02, 0.15, 0.6])
def test_the_interval_covers_the_truth(truth: float) -> None:
    rng = np.random.default_rng(1)
    draws, se, sp = 400, 0.85, 0.92
    flagged = rng.binomial(128, truth * se + (1 - truth) * (1 - sp), draws)
    right_yes, right_no = rng.binomial(40, se, draws), rng.binomial(60, sp, draws)
    covered = 0
    for events, yes, no in zip(flagged, right_yes, right_no, strict=True):
        found = corrected_rate(int(events), 128, Accuracy(int(yes), 40, int(no), 60))
        assert found.ci_low is not None
        assert found.ci_high is not None
        covered += found.ci_low <= truth <= found.ci_high
    assert covered / draws >= 0.92  # 95 % less three standard errors of 400 draws


def test_counts_and_file_are_read_from_the_manifests_line() -> None:
    counts = Accuracy(34, 40, 54, 60)
    assert counts_of("sensitivity=34/40, specificity=54/60, file=a, b.csv") == (counts, "a, b.csv")
    assert counts_of("sensitivity=34/40, specificity=54/60") == (counts, "a file without a name")
    assert counts_of("none") is None
    assert counts_of("sensitivity=0/0, specificity=54/60, file=a.csv") is None
