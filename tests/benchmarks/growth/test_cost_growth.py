import pytest

from benchmarks.growth.cost_growth import Cost, savings
from benchmarks.growth.growth_points import Point


def cost(size: int, totals: list[float]) -> Cost:
    return Cost(Point("group_size", (128, 3), size, 40), size, {}, totals)


def test_a_step_that_grows_with_half_its_size_saves_half() -> None:
    # From 2 to 32 is 16 times the size, and each round's step takes 8 times as long; the second was slow for both.
    costs = [cost(8, [2.0, 9.0, 2.0]), cost(32, [8.0, 40.0, 8.8]), cost(2, [1.0, 5.0, 1.1])]
    found = savings(costs)
    assert list(found) == ["group_size: largest step in proportion / measured"]
    assert [(ratio.value, ratio.n) for ratio in found.values()] == [(pytest.approx(2.0), 3)]


def test_a_large_step_that_gets_slower_lowers_the_ratio() -> None:
    before, now = (next(iter(savings([cost(2, [1.0]), cost(32, [taken])]).values())) for taken in (8.0, 10.0))
    assert now.value < before.value
