"""Advantages against numbers worked out by hand."""

import numpy as np
import pytest

from rl.advantages import group_advantages

NAN = float("nan")


def test_each_group_is_centred_and_divided_by_its_own_sample_deviation() -> None:
    # Group 1: mean 3, deviations -2 -1 0 3, squares 4 + 1 + 0 + 9 = 14, variance 14 / 3, deviation 2.160247.
    # Group 2: mean 0, deviations -1 -1 1 1, variance 4 / 3, deviation 1.154701. Divisors carry epsilon 1e-4.
    found = group_advantages(np.array([[1.0, 2.0, 3.0, 6.0], [-1.0, -1.0, 1.0, 1.0]]))
    expected = [
        [-2 / 2.160347, -1 / 2.160347, 0.0, 3 / 2.160347],
        [-1 / 1.154801, -1 / 1.154801, 1 / 1.154801, 1 / 1.154801],
    ]
    np.testing.assert_allclose(found.advantages_PG, expected, rtol=1e-6)
    assert not found.degenerate_P.any()
    assert not found.left_out_P.any()


def test_epsilon_is_the_one_asked_for() -> None:
    # Mean 1, deviations -1 and 1, variance 2 / 1, deviation 1.414214; with epsilon 1 the divisor is 2.414214.
    found = group_advantages(np.array([[0.0, 2.0]]), epsilon=1.0)
    np.testing.assert_allclose(found.advantages_PG, [[-0.414214, 0.414214]], rtol=1e-5)


def test_an_unscored_completion_is_left_out_of_mean_and_deviation() -> None:
    # Scored 1 and 3: mean 2, deviation sqrt(2) = 1.414214. As 0 it would make the mean 4 / 3.
    found = group_advantages(np.array([[1.0, NAN, 3.0]]))
    np.testing.assert_allclose(found.advantages_PG, [[-1 / 1.414314, 0.0, 1 / 1.414314]], rtol=1e-6)
    assert not found.left_out_P.any()


def test_a_group_of_equal_rewards_is_degenerate_and_gets_zero() -> None:
    found = group_advantages(np.array([[0.7, 0.7, 0.7], [0.0, 0.0, 3.0]]))
    assert found.degenerate_P.tolist() == [True, False]
    assert found.left_out_P.tolist() == [False, False]
    assert found.advantages_PG[0].tolist() == [0.0, 0.0, 0.0]
    # Mean 1, deviations -1 -1 2, variance 6 / 2, deviation 1.732051.
    np.testing.assert_allclose(found.advantages_PG[1], [-1 / 1.732151, -1 / 1.732151, 2 / 1.732151], rtol=1e-6)


def test_min_std_is_where_degenerate_begins() -> None:
    # 0 and 2: deviation 1.4142.
    rewards_PG = np.array([[0.0, 2.0]])
    assert group_advantages(rewards_PG, min_std=1.42).degenerate_P.tolist() == [True]
    assert group_advantages(rewards_PG, min_std=1.42).advantages_PG.tolist() == [[0.0, 0.0]]
    assert group_advantages(rewards_PG, min_std=1.41).degenerate_P.tolist() == [False]


def test_equal_scored_rewards_beside_unscored_ones_are_degenerate() -> None:
    found = group_advantages(np.array([[2.0, NAN, 2.0]]))
    assert found.degenerate_P.tolist() == [True]
    assert found.advantages_PG.tolist() == [[0.0, 0.0, 0.0]]


@pytest.mark.parametrize("group", [[NAN, NAN, NAN], [NAN, 5.0, NAN]])
def test_a_group_with_fewer_than_two_scored_is_left_out_and_not_called_degenerate(group: list[float]) -> None:
    found = group_advantages(np.array([group]))
    assert found.left_out_P.tolist() == [True]
    assert found.degenerate_P.tolist() == [False]
    assert found.advantages_PG.tolist() == [[0.0, 0.0, 0.0]]


@pytest.mark.parametrize("shape", [(4,), (4, 1), (2, 2, 2)])
def test_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"shape \(prompts, group of at least 2\)"):
        group_advantages(np.zeros(shape))


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_an_infinity_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="infinity"):
        group_advantages(np.array([[1.0, value]]))


def test_the_input_is_left_as_it_was() -> None:
    rewards_PG = np.array([[1.0, NAN, 3.0]])
    group_advantages(rewards_PG)
    np.testing.assert_array_equal(rewards_PG, [[1.0, NAN, 3.0]])
