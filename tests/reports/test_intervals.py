import math

import numpy as np
import pytest

from reports.intervals import Estimate, mean_estimate, paired_difference, percentile, rate, ratio, unit_interval


def parts(found: Estimate) -> list[float]:
    assert found.value is not None
    assert found.ci_low is not None
    assert found.ci_high is not None
    return [found.value, found.ci_low, found.ci_high]


def test_rate_is_wilsons() -> None:
    # 3 of 10, z = 1.96, z^2 = 3.8415. Centre (0.3 + 3.8415 / 20) / 1.38415 = 0.35551;
    # half width 1.96 sqrt(0.3 x 0.7 / 10 + 3.8415 / 400) / 1.38415 = 0.24771.
    found = rate([True] * 3 + [False] * 7 + [None] * 2)
    assert parts(found) == pytest.approx([0.3, 0.10779, 0.60322], abs=2e-5)
    assert (found.n, found.unscored) == (10, 2)


def test_nothing_scored_is_undefined_and_counted() -> None:
    assert rate([None, None]) == Estimate(None, None, None, 0, 2)
    assert mean_estimate([math.nan]) == Estimate(None, None, None, 0, 1)
    assert paired_difference([None, 1.0], [1.0, None]) == Estimate(None, None, None, 0, 2)
    assert percentile([], 50) == Estimate(None, None, None, 0, 0)
    assert ratio([], []) == Estimate(None, None, None, 0, 0)


def test_paired_difference_adds_two_pseudo_pairs() -> None:
    # Differences 0 1 1 1 0 0 0 -1: n = 8, sum 2, squares 4. Adjusted: centre 2 / 10 = 0.2, squares 4 + 1 = 5,
    # standard error sqrt(5 - 2^2 / 10) / 10 = 0.214476, t(9) = 2.262157, reach 0.48518.
    found = paired_difference([1, 1, 1, 1, 0, 0, 1, 0, 1], [1, 0, 0, 0, 0, 0, 1, 1, None])
    assert parts(found) == pytest.approx([0.25, -0.28518, 0.68518], abs=1e-5)
    assert (found.n, found.unscored) == (8, 1)


def test_paired_difference_of_gaps_adds_twice_the_squares_and_clips() -> None:
    # Differences 2 and -1, bound 2: centre 1 / 4, squares 5 + 2, error sqrt(7 - 1 / 4) / 4 = 0.649519,
    # t(3) = 3.182446, reach 2.06706: [-1.81706, 2.31706], and no gap changes by more than 2.
    found = paired_difference([1, -1], [-1, 0], bound=2.0)
    assert parts(found) == pytest.approx([0.5, -1.81706, 2.0], abs=1e-5)


def test_no_discordant_pair_leaves_a_width() -> None:
    # n = 10: error sqrt(0 + 1) / 12, t(11) = 2.200985: 0.183415 either way.
    assert parts(paired_difference([1.0] * 10, [1.0] * 10)) == pytest.approx([0, -0.183415, 0.183415], abs=1e-5)


def test_what_cannot_be_pairs_is_refused() -> None:
    with pytest.raises(ValueError, match="align both on query_id"):
        paired_difference([1.0], [])
    with pytest.raises(ValueError, match="bound"):
        paired_difference([1.0], [-1.0])


@pytest.mark.parametrize(("n", "bound"), [(20, 1.0), (100, 1.0), (20, 2.0), (100, 2.0)])
def test_paired_intervals_cover_a_planted_difference(n: int, bound: float) -> None:
    # bound 1: P(1) = 0.6 against 0.3. bound 2: a gap of 0.5 against one of 0.1. 1,500 runs have a standard error of
    # sqrt(0.95 x 0.05 / 1500) = 0.0056: three of them below 0.95 is 0.933.
    rng = np.random.default_rng(7)
    chances = [0.6, 0.3] if bound == 1 else [0.6, 0.1, 0.4, 0.3]
    signs = np.array([1, -1] if bound == 1 else [1, -1, -1, 1])
    true_value = float(np.dot(signs, chances))
    hits = 0
    for _ in range(1500):
        outcomes_CN = rng.random((len(chances), n)) < np.array(chances)[:, None]
        found = parts(paired_difference((signs @ outcomes_CN).tolist(), [0.0] * n, bound=bound))
        hits += found[1] <= true_value <= found[2]
    assert hits / 1500 >= 0.933


def test_mean_is_students() -> None:
    # 1 2 3 4: mean 2.5, standard error 1.290994 / 2 = 0.645497, t(3) = 3.182446, reach 2.05426.
    assert parts(mean_estimate([1, 2, 3, 4, None])) == pytest.approx([2.5, 0.44574, 4.55426], abs=1e-5)
    assert mean_estimate([3.0]) == Estimate(3.0, None, None, 1, 0)
    assert parts(unit_interval([1, 2, 3, 4], (1.0, 4.0))) == pytest.approx([2.5, 1.0, 4.0])


def test_seeds_that_agree_have_no_interval() -> None:
    # Equal but for the last bits of a subtraction.
    for equal in ([0.0, 0.0, 0.0], [0.3 - 0.1, 0.4 - 0.2, 0.9 - 0.7]):
        found = unit_interval(equal, (0.0, 1.0))
        assert (found.value, found.ci_low, found.ci_high) == (pytest.approx(equal[0]), None, None)
        assert (found.n, found.unscored) == (3, 0)
    assert unit_interval([0.0, 0.0, 0.001], (0.0, 1.0)).ci_low == 0.0


def test_percentile_interval_runs_between_order_statistics() -> None:
    # The median of 20: P(at most 5 of 20 below) = 0.0207, of 6 = 0.0577, so ranks 6 and 15 (a textbook value).
    assert parts(percentile(list(range(1, 21)), 50)) == [10.5, 6.0, 15.0]
    # The 10th percentile of 20: P(none below) = 0.9^20 = 0.12 > 0.025, so no observation is low enough.
    assert percentile(list(range(1, 21)), 10).ci_low is None
    with pytest.raises(ValueError, match="between 0 and 100"):
        percentile([1.0], 100)


def test_ratio_is_paired_and_undefined_without_events() -> None:
    # Six events over two, four pairs discordant: 3; centre log(7 / 3) = 0.847298, error sqrt(5 / 21) = 0.48795,
    # reach 0.956365: exp(-0.109067) = 0.89667 to exp(1.803663) = 6.07186.
    found = ratio([True] * 6 + [False] * 4, [True] * 2 + [False] * 8)
    assert parts(found) == pytest.approx([3.0, 0.89667, 6.07186], abs=2e-5)
    assert ratio([True, False], [False, False]) == Estimate(None, None, None, 2, 0)
    none_above = parts(ratio([False, False], [True, False]))
    assert none_above[:2] == [0.0, 0.0]
    assert none_above[2] > 0
