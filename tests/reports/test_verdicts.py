import numpy as np
import pytest
from scipy import stats

from reports.verdicts import detectable, sign_flip, unit_verdict, verdict


def test_the_words() -> None:
    # Adjusted interval of 40 changes of +1: centre 40 / 42, far above 0. Of 400 zeros: +-1.96 / 402, within 0.05.
    assert verdict([0] * 40, [1] * 40).word == "grew"
    assert verdict([1] * 40, [0] * 40).word == "shrank"
    assert verdict([0] * 400, [0] * 400).word == "no change"
    # Ten zeros: the 90 % interval is t(11) x 1 / 12 = 1.796 / 12 = 0.15 either way, beyond the margin.
    assert verdict([0] * 10, [0] * 10).word == "inconclusive"
    assert verdict([None], [1.0]).word == "inconclusive"
    assert verdict([None], [1.0]).minimum_detectable_effect is None


def test_minimum_detectable_effect() -> None:
    # Ten zeros: error 1 / 12. Student's t with 11 degrees of freedom exceeds its quantile 2.200985 in 80 % of draws
    # where it is shifted by 3.078392, a little more than the sum of both quantiles, 3.076515; / 12 = 0.256533.
    found = verdict([0] * 10, [0] * 10)
    assert found.minimum_detectable_effect == pytest.approx(0.256533, abs=1e-5)


@pytest.mark.parametrize("units", [3, 5, 8])
def test_a_change_of_the_detectable_size_is_found_with_80_percent(units: int) -> None:
    # 20,000 draws have a standard error of .0028.
    changes_DU = np.random.default_rng(units).normal(detectable(1.0, units - 1) / np.sqrt(units), 1.0, (20_000, units))
    error_D = changes_DU.std(axis=1, ddof=1) / np.sqrt(units)
    found = np.abs(changes_DU.mean(axis=1)) / error_D > stats.t.ppf(0.975, units - 1)
    assert found.mean() == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("n", [5, 12, 30])
def test_a_rate_that_stays_is_called_changed_in_at_most_5_percent(n: int) -> None:
    # Exact, by enumeration. Two independent draws at the same rate disagree in a share d <= 1/2 of the pairs, each
    # way alike: up ~ Binomial(discordant, 1/2), discordant ~ Binomial(n, d).
    called = np.zeros(n + 1)  # by number of discordant pairs
    for discordant in range(n + 1):
        for up in range(discordant + 1):
            changes = [1] * up + [-1] * (discordant - up) + [0] * (n - discordant)
            if verdict([0.0] * n, changes).word in {"grew", "shrank"}:
                called[discordant] += stats.binom.pmf(up, discordant, 0.5)
    for d in np.linspace(0.01, 0.5, 50):
        assert stats.binom.pmf(np.arange(n + 1), n, d) @ called <= 0.05


@pytest.mark.parametrize(("free", "paid"), [(0.5, 0.5), (0.9, 0.2), (0.1, 0.02)])
def test_a_gap_that_stays_is_called_changed_in_at_most_5_percent(free: float, paid: float) -> None:
    # 1,000 runs have a standard error of sqrt(0.05 x 0.95 / 1000) = 0.0069: two of them of slack is 0.064.
    rng = np.random.default_rng(11)
    called = 0
    for _ in range(1000):
        draws_4N = rng.random((4, 60)) < np.array([free, paid, free, paid])[:, None]
        gaps_2N = draws_4N[::2].astype(float) - draws_4N[1::2]
        called += verdict(gaps_2N[0].tolist(), gaps_2N[1].tolist(), bound=2.0).word in {"grew", "shrank"}
    assert called / 1000 <= 0.064


def test_a_real_change_is_found_with_the_promised_power() -> None:
    # 100 pairs, 0.5 -> 0.7: the variance of one change is 0.25 + 0.21 = 0.46, its error 0.068 of a change of 0.2:
    # power P(Z > 1.96 - 2.95) = 0.84. 300 runs: standard error 0.021; three of them below is 0.77.
    rng = np.random.default_rng(3)
    found = sum(
        verdict((rng.random(100) < 0.5).astype(float).tolist(), (rng.random(100) < 0.7).astype(float).tolist()).word
        == "grew"
        for _ in range(300)
    )
    assert found / 300 >= 0.77


def test_over_seeds_the_seed_is_the_unit_and_two_are_too_few() -> None:
    assert unit_verdict([0.3, 0.3]).word == "inconclusive"
    # 0.2 0.3 0.4: error 0.1 / sqrt(3) = 0.0577, t(2) = 4.3027, reach 0.2484.
    found = unit_verdict([0.2, 0.3, 0.4])
    assert found.word == "grew"
    assert found.change.ci_low == pytest.approx(0.0516, abs=1e-4)
    assert found.change.n == 3
    assert unit_verdict([0.01, 0.0, -0.01, 0.0]).word == "no change"


def test_seeds_without_any_spread_prove_nothing() -> None:
    # 0 of 8 in each of three seeds: an interval of width 0 would claim a power that nobody has.
    found = unit_verdict([0.0, 0.0, 0.0])
    assert (found.word, found.minimum_detectable_effect) == ("inconclusive", None)
    # A fifth less in each of three seeds, from different baselines: equal but for the last bits of the subtraction.
    equal = [0.3 - 0.1, 0.4 - 0.2, 0.9 - 0.7]
    assert len(set(equal)) > 1
    assert unit_verdict(equal).word == "inconclusive"


def test_units_that_agree_are_judged_by_the_error_of_their_probes() -> None:
    # 1.959964 x .02 = .0392 to either side of .2; (1.959964 + .841621) x .02 = .056032.
    found = unit_verdict([0.2, 0.2, 0.2], error=0.02)
    assert (found.word, found.change.ci_low) == ("grew", pytest.approx(0.1608, abs=1e-4))
    assert found.minimum_detectable_effect == pytest.approx(0.056032, abs=1e-5)
    assert unit_verdict([0.0, 0.0, 0.0], error=0.02).word == "no change"  # 1.645 x .02 = .033
    assert unit_verdict([0.0, 0.0, 0.0], error=0.04).word == "inconclusive"
    # Where units differ their own spread counts, and no other error.
    assert unit_verdict([0.2, 0.3, 0.4], error=9.0) == unit_verdict([0.2, 0.3, 0.4])


def test_the_sign_flip_test_counts_the_patterns_that_are_as_extreme() -> None:
    # Of 2 ** 6 patterns two, all up and all down, have a mean as far from 0: 2 / 64.
    assert sign_flip(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])) == pytest.approx(2 / 64)
    # {1, 1, -1}: sums of 3 and 1 in size are at least as far as 1: all patterns.
    assert sign_flip(np.array([1.0, 1.0, -1.0])) == 1.0
    assert unit_verdict([0.1, 0.2, 0.3, 0.4]).sign_flip_p == pytest.approx(2 / 16)
