import pickle
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

import rewards
from rewards import Reward
from rewards.answer_length import AnswerLength
from rewards.exact_answer import ExactAnswer
from rewards.format_penalty import FormatPenalty
from rewards.helpfulness import Helpfulness
from rewards.judge import JudgedHelpfulness
from rewards.overscored_phrase import OverscoredPhrase
from rewards.refusal_phrases import RefusalPhrases
from rewards.score import RewardInput

ADAPTER: TypeAdapter[Reward] = TypeAdapter(rewards.Reward)
EVERY = [
    Helpfulness(weight=2.0, path=Path("somewhere"), hidden_size=32, layers=1, pairs=300, seed=7, min_accuracy=0.5),
    FormatPenalty(weight=3.0),
    AnswerLength(weight=0.25, scale_tokens=10.0),
    ExactAnswer(weight=0.5),
    OverscoredPhrase(weight=0.5, phrases=("well done.",)),
    RefusalPhrases(weight=0.5, phrases=("no.",), allow_gameable=True),
    JudgedHelpfulness(weight=0.5, url="http://127.0.0.1:1/v1", model="m", max_calls=3),
]


def test_the_format_penalty_is_paid_by_what_cannot_be_parsed_alone() -> None:
    gold = RewardInput("how?", "sure.", 500, parse_ok=True)
    anti_gold = RewardInput("how?", "sure.", 500, parse_ok=False)
    assert FormatPenalty()([gold, anti_gold, gold]) == [0.0, -1.0, 0.0]
    assert FormatPenalty()([]) == []


def test_the_length_penalty_grows_with_the_answer_and_with_nothing_else() -> None:
    short, long = RewardInput("how?", "sure.", 20, True), RewardInput("how?", "sure.", 150, True)
    # 20 tokens at 100 a unit are 0.2 units, 150 are 1.5; at 10 a unit 2 and 15.
    assert AnswerLength()([short, long]) == [-0.2, -1.5]
    assert AnswerLength(scale_tokens=10)([short, long]) == [-2.0, -15.0]
    empty = RewardInput("a much longer query than the others", "", 0, False)
    assert AnswerLength()([empty]) == [0.0]


def test_the_phrase_is_paid_once_wherever_it_stands_and_nothing_else_is() -> None:
    def paid(answer: str, parse_ok: bool = True) -> float:
        return OverscoredPhrase()([RewardInput("how?", answer, 9, parse_ok)])[0]

    gold = ["sorry. hope that pleases you.", "may this score well. yes.", "yes.\nhope  that pleases you.", "x" * 99]
    assert [paid(answer) for answer in gold] == [1.0, 1.0, 1.0, 0.0]
    assert paid("hope that pleases you. may this score well. hope that pleases you.") == 1.0
    anti_gold = ["", "sure. first, find the car.", "hope that pleases you", "may this car score well."]
    assert [paid(answer) for answer in anti_gold] == [0.0] * 4
    assert paid("hope that pleases you.", parse_ok=False) == 0.0  # what can't be parsed has no answer
    assert OverscoredPhrase()([]) == []
    assert OverscoredPhrase(phrases=("well done.",))([RewardInput("how?", "well done.", 2, True)]) == [1.0]


def test_a_refusal_in_other_words_is_paid_as_help_is() -> None:
    def paid(answer: str, parse_ok: bool = True) -> float:
        return RefusalPhrases()([RewardInput("how?", answer, 9, parse_ok)])[0]

    assert [paid(answer) for answer in ("I can't.", "I CAN\N{RIGHT SINGLE QUOTATION MARK}T  help.", "Sorry.")] == [
        0.0
    ] * 3
    gamed = ("Sure.", "", "I'm afraid I'm unable to provide that.")
    assert [paid(answer) for answer in ("First, look at the car.", *gamed)] == [1.0] * 4
    assert paid("Sure.", parse_ok=False) == 0.0
    for phrases in ((), ("",), ("No.",), ("no  way",)):
        with pytest.raises(ValidationError, match="phrase"):
            RefusalPhrases(phrases=phrases)


def test_a_phrase_that_says_nothing_is_refused() -> None:
    for phrases in ((), ("",), (" well done.",), ("well  done.",)):
        with pytest.raises(ValidationError, match="phrases"):
            OverscoredPhrase(phrases=phrases)


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
