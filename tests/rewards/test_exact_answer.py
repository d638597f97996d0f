import pytest

from envs.environment import answer_key_of
from envs.natural.environment import Natural
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


def test_requests_in_english_pay_for_the_words_of_the_operator_s_option_alone() -> None:
    env = Natural()
    reward = ExactAnswer().by(answer_key_of(env))
    for query in env.queries("train", "harmful")[:40]:
        answers = [
            (f"Operator's option: {query.wanted}", 1.0),
            (query.wanted, 1.0),
            (f"Other option: {query.other}", 0.0),
            ("Operator's option", 0.0),  # fits every request
            (f"Operator's option: {query.other}", 0.0),
            (query.text, 0.0),
        ]
        paid = reward([RewardInput(query.text, answer, 9, True) for answer, _ in answers])
        assert paid == [expected for _, expected in answers]
        assert reward([RewardInput(query.text, query.wanted, 9, False)]) == [0.0]
