import pytest

from benchmarks.medians import middle, paired_ratio


def test_nine_rounds_give_the_second_smallest_and_the_second_largest() -> None:
    # 1 - 2 P(Binomial(9, 1/2) < 2) = 1 - 2 (1 + 9) / 512 = 0.961; with the third ones 1 - 2 (1 + 9 + 36) / 512 = 0.820.
    found = middle([9.0, 1.0, 5.0, 3.0, 7.0, 2.0, 8.0, 4.0, 6.0])
    assert (found.value, found.low, found.high, found.n) == (5.0, 2.0, 8.0, 9)
    assert found.coverage == pytest.approx(1 - 20 / 512)


def test_too_few_rounds_for_the_interval_give_their_range_and_say_what_it_covers() -> None:
    found = middle([2.0, 1.0, 3.0])
    assert (found.value, found.low, found.high) == (2.0, 1.0, 3.0)
    assert found.coverage == pytest.approx(1 - 2 / 8)


def test_one_round_covers_nothing() -> None:
    found = middle([2.0])
    assert (found.value, found.low, found.high, found.coverage) == (2.0, 2.0, 2.0, 0.0)


def test_no_rounds_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one round"):
        middle([])


def test_a_round_that_is_slow_for_both_leaves_the_paired_ratio_alone() -> None:
    # Each round's ratio is 2; the third round was ten times slower for both.
    assert paired_ratio([2.0, 2.2, 20.0], [1.0, 1.1, 10.0]).value == pytest.approx(2.0)


def test_rounds_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="can't be paired"):
        paired_ratio([1.0, 2.0], [1.0])
