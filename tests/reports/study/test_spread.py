"""Variance components of builds and seeds."""

import math

import numpy as np
import pytest

from reports.study.spread import Spread, spread


def test_both_components_by_hand() -> None:
    # Builds {1, 3}, {5, 7}, {9, 11}: means 2, 6, 10, overall 6. Within: each build has squares 1 + 1, so 6 over 3
    # degrees of freedom is 2. Between: 2 x (16 + 0 + 16) = 64 over 2 degrees is 32. n0 = 2: (32 - 2) / 2 = 15.
    found = spread({"0": [1, 3], "1": [5, 7], "2": [9, 11]})
    assert found == Spread(pytest.approx(math.sqrt(15)), pytest.approx(math.sqrt(2)), 3, 6)


def test_unequal_numbers_of_seeds() -> None:
    # {0, 2, 4}, {7}: means 2 and 7, overall 13/4. Within: 8 over 2 is 4. Between: 3 x (5/4)^2 + (15/4)^2 = 18.75.
    # n0 = (4 - 10 / 4) / 1 = 1.5: (18.75 - 4) / 1.5.
    found = spread({"a": [0, 2, 4], "b": [7]})
    assert found == Spread(pytest.approx(math.sqrt(14.75 / 1.5)), pytest.approx(2.0), 2, 4)


def test_builds_that_agree_better_than_their_seeds_have_no_spread() -> None:
    assert spread({"0": [0, 10], "1": [10, 0]}).builds == 0.0


def test_one_seed_a_build_gives_one_spread_for_both() -> None:
    assert spread({"0": [1.0], "1": [3.0]}) == Spread(pytest.approx(math.sqrt(2)), None, 2, 2)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, Spread(None, None, 0, 0)),
        ({"0": [None]}, Spread(None, None, 0, 0)),
        ({"0": [1.0]}, Spread(None, None, 1, 1)),
        ({"0": [1.0, 3.0, None], "1": [None]}, Spread(None, pytest.approx(math.sqrt(2)), 1, 2)),
    ],
)
def test_too_few_values_leave_a_component_open(values: dict[str, list[float | None]], expected: Spread) -> None:
    assert spread(values) == expected


def test_known_components_are_found_again() -> None:
    rng = np.random.default_rng(0)
    builds = rng.normal(0, 0.135, 4000)
    found = spread({str(index): list(own + rng.normal(0, 0.05, 2)) for index, own in enumerate(builds)})
    assert found.builds == pytest.approx(0.135, rel=0.05)
    assert found.seeds == pytest.approx(0.05, rel=0.05)
