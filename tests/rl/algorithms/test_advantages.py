"""Advantages against numbers worked out by hand."""

from collections.abc import Callable

import numpy as np
import pytest

from rl.algorithms.advantages import (
    Array,
    GroupAdvantages,
    batch_baseline_advantages,
    generalised_advantages,
    group_advantages,
    leave_one_out_advantages,
    on_last_token,
    whiten,
)

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


def test_scale_none_only_centres() -> None:
    # Means 3 and 0. Unscored: 0, and no part of the mean (1 + 5) / 2 = 3.
    rewards_PG = np.array([[1.0, 2.0, 6.0, 3.0], [-1.0, -1.0, 1.0, 1.0], [1.0, NAN, 5.0, NAN]])
    found = group_advantages(rewards_PG, scale="none")
    np.testing.assert_allclose(found.advantages_PG, [[-2, -1, 3, 0], [-1, -1, 1, 1], [-2, 0, 2, 0]])


def test_scale_batch_divides_by_the_deviation_of_all_scored_rewards() -> None:
    # 0, 2, 4 and 6 with one unscored: mean 3, squares 9 + 1 + 1 + 9 = 20, over 3: 6.666667, root 2.581989.
    # Centred by group: means 1 and 5.
    found = group_advantages(np.array([[0.0, 2.0, NAN], [4.0, 6.0, NAN]]), scale="batch")
    divisor = 2.582089
    np.testing.assert_allclose(
        found.advantages_PG, [[-1 / divisor, 1 / divisor, 0], [-1 / divisor, 1 / divisor, 0]], rtol=1e-6
    )


def test_a_degenerate_group_counts_in_the_deviation_of_the_batch() -> None:
    # 0, 2, 4, 4: mean 2.5, squares 6.25 + 0.25 + 2.25 + 2.25 = 11, over 3: 3.666667, root 1.914854.
    found = group_advantages(np.array([[0.0, 2.0], [4.0, 4.0]]), scale="batch")
    np.testing.assert_allclose(found.advantages_PG, [[-1 / 1.914954, 1 / 1.914954], [0, 0]], rtol=1e-6)
    assert found.degenerate_P.tolist() == [False, True]


def test_a_batch_without_any_score_is_left_out_whole() -> None:
    for scale in ("group", "batch", "none"):
        found = group_advantages(np.full((2, 2), NAN), scale)
        assert found.advantages_PG.tolist() == [[0, 0], [0, 0]]
        assert found.left_out_P.tolist() == [True, True]


def test_leave_one_out_is_against_the_mean_of_the_others() -> None:
    # 1 - (2 + 6) / 2 = -3, 2 - (1 + 6) / 2 = -1.5, 6 - (1 + 2) / 2 = 4.5.
    found = leave_one_out_advantages(np.array([[1.0, 2.0, 6.0]]))
    np.testing.assert_allclose(found.advantages_PG, [[-3.0, -1.5, 4.5]])
    assert (found.degenerate_P.tolist(), found.left_out_P.tolist()) == ([False], [False])


def test_leave_one_out_leaves_the_unscored_out_of_the_others() -> None:
    # 1 - 3 and 3 - 1. One score alone has no others; none at all neither.
    found = leave_one_out_advantages(np.array([[1.0, NAN, 3.0], [NAN, 5.0, NAN], [NAN, NAN, NAN]]))
    np.testing.assert_allclose(found.advantages_PG, [[-2.0, 0.0, 2.0], [0, 0, 0], [0, 0, 0]])
    assert found.left_out_P.tolist() == [False, True, True]
    assert found.degenerate_P.tolist() == [False, False, False]


def test_leave_one_out_of_equal_rewards_is_degenerate_and_exactly_0() -> None:
    # 0.1 + 0.1 + 0.1 is not 0.3: without the threshold there would be noise.
    found = leave_one_out_advantages(np.array([[0.1, 0.1, 0.1, 0.1]]))
    assert found.advantages_PG.tolist() == [[0.0] * 4]
    assert found.degenerate_P.tolist() == [True]


def test_a_batch_baseline_is_the_mean_of_all_that_is_scored() -> None:
    # (1 + 3 + 5 + 5 + 5) / 5 = 3.8. The second group is all alike and still counts against the batch.
    found = batch_baseline_advantages(np.array([[1.0, 3.0, NAN], [5.0, 5.0, 5.0], [NAN, NAN, NAN]]))
    np.testing.assert_allclose(found.advantages_PG, [[-2.8, -0.8, 0.0], [1.2, 1.2, 1.2], [0, 0, 0]])
    assert found.degenerate_P.tolist() == [False, True, False]
    assert found.left_out_P.tolist() == [False, False, True]


def test_a_batch_baseline_takes_groups_of_one() -> None:
    # (1 + 2 + 6) / 3 = 3.
    found = batch_baseline_advantages(np.array([[1.0], [2.0], [NAN], [6.0]]))
    np.testing.assert_allclose(found.advantages_PG, [[-2.0], [-1.0], [0.0], [3.0]])
    assert found.degenerate_P.tolist() == [False] * 4
    assert found.left_out_P.tolist() == [False, False, True, False]


def test_a_batch_baseline_without_any_score_is_0() -> None:
    found = batch_baseline_advantages(np.array([[NAN], [NAN]]))
    assert found.advantages_PG.tolist() == [[0.0], [0.0]]
    assert found.left_out_P.tolist() == [True, True]


@pytest.mark.parametrize("n", [3, 6, 7])
def test_a_batch_of_equal_rewards_has_no_advantage_at_all(n: int) -> None:
    # The mean of n times 0.1 isn't always 0.1: what is left must not pass for a gradient.
    assert not batch_baseline_advantages(np.full((n, 1), 0.1)).advantages_PG.any()


@pytest.mark.parametrize("function", [leave_one_out_advantages, batch_baseline_advantages])
def test_the_other_baselines_refuse_the_same(function: Callable[[Array], GroupAdvantages]) -> None:
    with pytest.raises(ValueError, match="infinity"):
        function(np.array([[1.0, np.inf]]))
    smallest = 2 if function is leave_one_out_advantages else 1
    with pytest.raises(ValueError, match=rf"shape \(prompts, group of at least {smallest}\)"):
        function(np.zeros((4, smallest - 1)))


def test_generalised_advantages_by_hand() -> None:
    # gamma 0.5, lambda 0.4, so gamma lambda = 0.2. Rewards 1 0 4, values 2 3 1.
    # Last:   delta = 4 - 1 = 3, A = 3.
    # Middle: delta = 0 + 0.5 x 1 - 3 = -2.5, A = -2.5 + 0.2 x 3 = -1.9.
    # First:  delta = 1 + 0.5 x 3 - 2 = 0.5, A = 0.5 + 0.2 x -1.9 = 0.12.
    advantages_NT, returns_NT = generalised_advantages(
        np.array([[1.0, 0.0, 4.0]]), np.array([[2.0, 3.0, 1.0]]), np.ones((1, 3), bool), gamma=0.5, gae_lambda=0.4
    )
    np.testing.assert_allclose(advantages_NT, [[0.12, -1.9, 3.0]])
    np.testing.assert_allclose(returns_NT, [[2.12, 1.1, 4.0]])  # A + V


def test_a_token_without_credit_is_no_step_of_the_episode() -> None:
    # As above without the middle token, whose reward and value are no one's.
    # First: delta = 1 + 0.5 x 1 - 2 = -0.5, A = -0.5 + 0.2 x 3 = 0.1.
    loss_mask_NT = np.array([[True, False, True]])
    advantages_NT, returns_NT = generalised_advantages(
        np.array([[1.0, 9.0, 4.0]]), np.array([[2.0, -9.0, 1.0]]), loss_mask_NT, gamma=0.5, gae_lambda=0.4
    )
    np.testing.assert_allclose(advantages_NT, [[0.1, 0.0, 3.0]])
    np.testing.assert_allclose(returns_NT, [[2.1, 0.0, 4.0]])


def test_completions_of_different_lengths_end_where_they_end() -> None:
    # gamma and lambda 1: A is the sum of rewards to come minus the value. Padding on the right changes nothing.
    advantages_NT, returns_NT = generalised_advantages(
        np.array([[0.0, 0.0, 2.0], [0.0, 2.0, 7.0]]),
        np.array([[0.5, 1.0, 3.0], [0.5, 1.0, 7.0]]),
        np.array([[True, True, True], [True, True, False]]),
        gamma=1.0,
        gae_lambda=1.0,
    )
    np.testing.assert_allclose(advantages_NT, [[1.5, 1.0, -1.0], [1.5, 1.0, 0.0]])
    np.testing.assert_allclose(returns_NT, [[2.0, 2.0, 2.0], [2.0, 2.0, 0.0]])


def test_trace_0_looks_one_step_ahead() -> None:
    # A = r + gamma V_next - V: 0 + 0.9 x 2 - 1 = 0.8, then 3 - 2 = 1.
    advantages_NT, _ = generalised_advantages(
        np.array([[0.0, 3.0]]), np.array([[1.0, 2.0]]), np.ones((1, 2), bool), gamma=0.9, gae_lambda=0.0
    )
    np.testing.assert_allclose(advantages_NT, [[0.8, 1.0]])


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_generalised_advantages_refuse_shapes_that_disagree(wrong: int) -> None:
    shapes = [(2, 3)] * 3
    shapes[wrong] = (2, 1)
    rewards_NT, values_NT, loss_mask_NT = (np.zeros(shape) for shape in shapes)
    with pytest.raises(ValueError, match="shapes disagree"):
        generalised_advantages(rewards_NT, values_NT, loss_mask_NT.astype(bool), 1.0, 0.95)


def test_an_outcome_stands_on_the_last_token_with_credit() -> None:
    loss_mask_NT = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 1], [0, 1, 0], [0, 0, 0]], bool)
    found = on_last_token(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), loss_mask_NT)
    assert found.tolist() == [[0, 0, 1], [0, 2, 0], [0, 0, 3], [0, 4, 0], [0, 0, 0]]


def test_whitening_is_over_the_mask() -> None:
    # 1, 3 and 8: mean 4, squares 9 + 1 + 16 = 26, over 3 (all there is, no sample): 8.666667, root 2.943920.
    found = whiten(np.array([[1.0, 100.0], [3.0, 8.0]]), np.array([[True, False], [True, True]]))
    np.testing.assert_allclose(found, [[-3 / 2.943920, 0.0], [-1 / 2.943920, 4 / 2.943920]], rtol=1e-6)


def test_whitening_nothing_or_one_value_gives_0() -> None:
    assert whiten(np.array([[1.0, 2.0]]), np.zeros((1, 2), bool)).tolist() == [[0.0, 0.0]]
    assert whiten(np.array([[5.0, 2.0]]), np.array([[True, False]])).tolist() == [[0.0, 0.0]]
