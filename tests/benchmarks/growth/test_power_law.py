import numpy as np
import pytest

from benchmarks.growth.power_law import fit


def test_a_known_law_is_found() -> None:
    sizes = [1.0, 2.0, 4.0, 8.0]
    law = fit(sizes, [3.0 * size**1.5 for size in sizes])
    assert (law.exponent, law.factor) == pytest.approx((1.5, 3.0))
    assert law.low == pytest.approx(1.5)
    assert law.high == pytest.approx(1.5)
    assert law(16.0) == pytest.approx(3.0 * 64)


def test_the_interval_covers_the_exponent_about_as_often_as_it_says() -> None:
    rng, sizes = np.random.default_rng(0), np.geomspace(1, 100, 6)
    covered = 0
    for _ in range(400):
        law = fit(list(sizes), list(2.0 * sizes**0.7 * np.exp(rng.normal(0, 0.1, len(sizes)))))
        assert law.low is not None
        assert law.high is not None
        covered += law.low <= 0.7 <= law.high
    assert 0.92 <= covered / 400 <= 0.98  # 0.95 by construction, with a standard error of 0.011


def test_two_points_give_an_exponent_and_no_interval() -> None:
    law = fit([1.0, 10.0], [1.0, 100.0])
    assert law.exponent == pytest.approx(2.0)
    assert (law.low, law.high) == (None, None)


@pytest.mark.parametrize(("sizes", "costs"), [([1.0], [1.0]), ([2.0, 2.0], [1.0, 1.0]), ([1.0, 2.0], [0.0, 1.0])])
def test_what_has_no_exponent_is_refused(sizes: list[float], costs: list[float]) -> None:
    with pytest.raises(ValueError, match=r"exponent|positive"):
        fit(sizes, costs)
