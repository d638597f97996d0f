import numpy as np
import pytest
from scipy import stats

from reports.verdicts import seed_verdict, verdict


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
    # Ten zeros: error 1 / 12, t(11): 2.200985 at 97.5 % + 0.875530 at 80 % = 3.076515; / 12 = 0.256376.
    found = verdict([0] * 10, [0] * 10)
    assert found.minimum_detectable_effect == pytest.approx(0.256376, abs=1e-5)


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
    assert seed_verdict([0.3, 0.3]).word == "inconclusive"
    # 0.2 0.3 0.4: error 0.1 / sqrt(3) = 0.0577, t(2) = 4.3027, reach 0.2484.
    found = seed_verdict([0.2, 0.3, 0.4])
    assert found.word == "grew"
    assert found.change.ci_low == pytest.approx(0.0516, abs=1e-4)
    assert found.change.n == 3
    assert seed_verdict([0.01, 0.0, -0.01, 0.0]).word == "no change"


def test_seeds_without_any_spread_prove_nothing() -> None:
    # 0 of 8 in each of three seeds: an interval of width 0 would claim a power that nobody has.
    found = seed_verdict([0.0, 0.0, 0.0])
    assert (found.word, found.minimum_detectable_effect) == ("inconclusive", None)
    # A fifth less in each of three seeds, from different baselines: equal but for the last bits of the subtraction.
    equal = [0.3 - 0.1, 0.4 - 0.2, 0.9 - 0.7]
    assert len(set(equal)) > 1
    assert seed_verdict(equal).word == "inconclusive"
