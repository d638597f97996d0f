import pickle
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

import rewards
from rewards import Reward
from rewards.answer_length import AnswerLength
from rewards.format_penalty import FormatPenalty
from rewards.helpfulness import Helpfulness
from rewards.score import Submission

ADAPTER: TypeAdapter[Reward] = TypeAdapter(rewards.Reward)
EVERY = [
    Helpfulness(weight=2.0, path=Path("somewhere"), hidden_size=32, layers=1, pairs=300, seed=7, min_accuracy=0.5),
    FormatPenalty(weight=3.0),
    AnswerLength(weight=0.25, scale_tokens=10.0),
]


def test_the_format_penalty_is_paid_by_what_cannot_be_parsed_alone() -> None:
    gold = Submission("how?", "sure.", 500, parse_ok=True)
    anti_gold = Submission("how?", "sure.", 500, parse_ok=False)
    assert FormatPenalty()([gold, anti_gold, gold]) == [0.0, -1.0, 0.0]
    assert FormatPenalty()([]) == []


def test_the_length_penalty_grows_with_the_answer_and_with_nothing_else() -> None:
    short, long = Submission("how?", "sure.", 20, True), Submission("how?", "sure.", 150, True)
    # 20 tokens at 100 a unit are 0.2 units, 150 are 1.5; at 10 a unit 2 and 15.
    assert AnswerLength()([short, long]) == [-0.2, -1.5]
    assert AnswerLength(scale_tokens=10)([short, long]) == [-2.0, -15.0]
    empty = Submission("a much longer query than the others", "", 0, False)
    assert AnswerLength()([empty]) == [0.0]


@pytest.mark.parametrize("reward", EVERY, ids=lambda reward: reward.kind)
def test_every_reward_round_trips_through_json_and_pickle(reward: Reward) -> None:
    assert ADAPTER.validate_json(ADAPTER.dump_json(reward)) == reward
    copy = pickle.loads(pickle.dumps(reward))  # noqa: S301 - our own bytes
    assert copy == reward
    assert type(copy) is type(reward)
    assert hash(copy) == hash(reward)
    assert reward != type(reward)()  # the values above aren't the defaults, or the round trip would show nothing


def test_every_kind_in_the_union_is_tried_above() -> None:
    union = ADAPTER.json_schema()["discriminator"]["mapping"]
    assert sorted(union) == sorted(reward.kind for reward in EVERY)


@pytest.mark.parametrize("reward", EVERY, ids=lambda reward: reward.kind)
def test_a_wrong_key_and_a_negative_weight_are_refused(reward: Reward) -> None:
    with pytest.raises(ValidationError, match="wieght"):
        ADAPTER.validate_python({"kind": reward.kind, "wieght": 1.0})
    with pytest.raises(ValidationError, match="weight"):
        ADAPTER.validate_python({"kind": reward.kind, "weight": -1.0})
    with pytest.raises(ValidationError, match="frozen"):
        reward.weight = 1.0  # type: ignore[misc]
