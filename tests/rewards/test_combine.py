import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from rewards.combine import score
from rewards.score import RewardInput

PATIENCE = 0.3  # seconds a call may take in the tests where one hangs; a good one takes microseconds
RELEASE = threading.Event()


@pytest.fixture(autouse=True)
def _let_go() -> Iterator[None]:
    """Release the rewards that hang in a test, after the test."""
    RELEASE.clear()
    yield
    RELEASE.set()


class Reward:
    """A reward that computes each value from the answer, and writes down what it was called with."""

    def __init__(self, value: Callable[[str], Any], kind: str = "it", weight: float = 1.0) -> None:
        self.kind, self.weight, self.value = kind, weight, value
        self.calls: list[list[str]] = []

    def __call__(self, reward_inputs: Sequence[RewardInput]) -> list[float]:
        self.calls.append([one.answer for one in reward_inputs])
        return [self.value(one.answer) for one in reward_inputs]


def reward_inputs(*answers: str) -> list[RewardInput]:
    return [RewardInput("how?", answer, 1, True) for answer in answers]


def number(answer: str) -> float:
    return float(answer)


def test_totals_are_weighted_sums_with_the_weighted_parts_beside_them() -> None:
    rewards = [Reward(number, "a", 2.0), Reward(lambda answer: -1.0, "b", 0.5)]
    first, second = score(rewards, reward_inputs("3", "0.25"), 10.0)
    # 2 x 3 + 0.5 x -1 = 5.5, and 2 x 0.25 + 0.5 x -1 = 0.
    assert (first.total, dict(first.components), first.error) == (5.5, {"a": 6.0, "b": -0.5}, None)
    assert (second.total, dict(second.components), second.error) == (0.0, {"a": 0.5, "b": -0.5}, None)
    assert [len(reward.calls) for reward in rewards] == [1, 1]  # the whole batch at once


def test_a_weight_of_zero_is_recorded_and_adds_nothing() -> None:
    [found] = score([Reward(number, "a", 0.0), Reward(number, "b")], reward_inputs("3"), 10.0)
    assert (found.total, dict(found.components)) == (3.0, {"a": 0.0, "b": 3.0})


def test_scores_keep_the_order_of_the_submissions() -> None:
    answers = [str(i) for i in range(50)]
    assert [found.total for found in score([Reward(number)], reward_inputs(*answers), 10.0)] == list(range(50))


def test_no_submissions_no_scores() -> None:
    assert score([Reward(number)], [], 10.0) == []


def test_an_exception_unscores_its_submission_alone() -> None:
    def value(answer: str) -> float:
        if answer == "bad":
            raise RuntimeError("the judge is out")
        return 1.0

    reward = Reward(value)
    first, bad, last = score([reward], reward_inputs("x", "bad", "y"), 10.0)
    assert (first.total, bad.total, last.total) == (1.0, None, 1.0)
    assert (first.error, last.error) == (None, None)
    assert bad.error == "it: RuntimeError: the judge is out"
    assert dict(bad.components) == {"it": None}
    assert reward.calls == [["x", "bad", "y"], ["x"], ["bad"], ["y"]]  # the batch fell back to one by one


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_unscores_its_submission_alone(bad: float) -> None:
    first, second = score([Reward(lambda answer: bad if answer == "bad" else 1.0)], reward_inputs("x", "bad"), 10.0)
    assert (first.total, first.error) == (1.0, None)
    assert (second.total, second.error) == (None, "it: not a finite number")


@pytest.mark.parametrize("bad", [None, "1.0", [1.0, 2.0], 10**400], ids=["none", "text", "list", "huge"])
def test_a_value_that_is_no_number_unscores_its_submission_alone(bad: Any) -> None:
    # `score` promises to raise nothing: a run of hours must not end with one odd value.
    first, second = score([Reward(lambda answer: bad if answer == "bad" else 1.0)], reward_inputs("x", "bad"), 10.0)
    assert (first.total, first.error) == (1.0, None)
    assert second.total is None
    assert second.error is not None


def test_a_product_that_overflows_is_not_finite_either() -> None:
    [found] = score([Reward(lambda answer: 1e300, weight=1e300)], reward_inputs("x"), 10.0)
    assert found.total is None
    assert found.error is not None


def test_the_wrong_number_of_scores_is_no_score() -> None:
    class Short(Reward):
        def __call__(self, reward_inputs: Sequence[RewardInput]) -> list[float]:
            return super().__call__(reward_inputs)[:1]

    # Asked one by one it gives one score each, which is right.
    reward = Short(number)
    assert [found.total for found in score([reward], reward_inputs("1", "2"), 10.0)] == [1.0, 2.0]
    assert reward.calls == [["1", "2"], ["1"], ["2"]]

    class Long(Reward):
        def __call__(self, reward_inputs: Sequence[RewardInput]) -> list[float]:
            return [*super().__call__(reward_inputs), 0.0]

    for found in score([Long(number)], reward_inputs("1", "2"), 10.0):
        assert (found.total, found.error) == (None, "it: gave 2 scores for 1 episodes")


def test_what_is_no_list_at_all_is_unscored() -> None:
    class Nothing(Reward):
        def __call__(self, reward_inputs: Sequence[RewardInput]) -> list[float]:
            return None  # type: ignore[return-value]

    [found] = score([Nothing(number)], reward_inputs("1"), 10.0)
    assert found.total is None
    assert found.error is not None
    assert "TypeError" in found.error


def test_one_failed_reward_unscores_the_total_and_keeps_the_other_parts() -> None:
    rewards = [Reward(number, "good"), Reward(lambda answer: math.nan, "bad"), Reward(lambda answer: 1 / 0, "worse")]
    [found] = score(rewards, reward_inputs("3"), 10.0)
    assert found.total is None
    assert dict(found.components) == {"good": 3.0, "bad": None, "worse": None}
    assert found.error == "bad: not a finite number; worse: ZeroDivisionError: division by zero"


def test_zero_is_a_score() -> None:
    [found] = score([Reward(number)], reward_inputs("0"), 10.0)
    assert found.total == 0.0
    assert found.total is not None


def hang(answer: str) -> float:
    if answer == "hang":
        RELEASE.wait(60)
    return 1.0


def test_a_hanging_submission_does_not_hold_the_batch() -> None:
    started = time.monotonic()
    found = score([Reward(hang), Reward(number, "other")], reward_inputs("1", "hang", "2"), PATIENCE)
    # Once for the batch and once for the one that hangs; the test would take a minute if the hang held it.
    assert 2 * PATIENCE <= time.monotonic() - started < 20
    assert [one.components["it"] for one in found] == [1.0, None, 1.0]
    assert [one.total for one in found] == [2.0, None, 3.0]
    assert found[1].error is not None
    assert "it: no answer within 0.3 s" in found[1].error


def test_a_dead_reward_is_given_up_after_two_time_outs() -> None:
    reward = Reward(hang)
    found = score([reward], reward_inputs(*["hang"] * 20), PATIENCE)
    assert [one.total for one in found] == [None] * 20
    assert [one.error for one in found] == [
        *["it: no answer within 0.3 s"] * 2,
        *["it: not called after 2 time-outs"] * 18,
    ]
    assert [len(call) for call in reward.calls] == [20, 1, 1]
