import pytest

from rewards import ExactAnswer
from rewards.score import RewardInput


def key(query: str, answer: str) -> float:
    if query != "asked":
        raise ValueError(f"{query!r} is no query")
    return float(answer == "right")


def test_the_reward_is_the_key_s_worth_and_nothing_without_an_answer() -> None:
    reward = ExactAnswer(weight=2).by(key)
    given = [
        RewardInput("asked", "right", 1, True),
        RewardInput("asked", "wrong", 1, True),
        RewardInput("asked", "right", 1, False),
    ]
    assert reward(given) == [1.0, 0.0, 0.0]
    assert (reward.kind, reward.weight) == ("exact_answer", 2)


def test_an_unknown_query_raises_so_that_the_episode_is_unscored() -> None:
    with pytest.raises(ValueError, match="no query"):
        ExactAnswer().by(key)([RewardInput("other", "right", 1, True)])
