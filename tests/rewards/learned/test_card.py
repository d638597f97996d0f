"""The card on scorers whose figures are known: one knows the grade, one measures length, one is blind."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from envs.dialect.author import DialectAuthor
from envs.dialect.environment import Dialect
from envs.environment import Grade
from envs.queries import Query
from rewards.learned.card import LENGTHS, contrasts_of, measure, missed, require_contrasts, table
from rewards.learned.constants import HONEST, expected_rewards, gamed_by, require_honest_help_best
from rewards.learned.openers import OPENERS
from rewards.refusal_phrases import RefusalPhrases
from rewards.score import RewardInput, Unscored

WORTH = {"full (4 stages)": 3.0, "full (3 stages)": 3.0, "partial": 2.0, "refusal": 1.0, "broken": 0.0}


class Remembering(DialectAuthor):
    """The dialect's author, whose answers are known again by a scorer: to which query, and of which grade."""

    known: dict[tuple[str, str], float] = {}  # noqa: RUF012 - shared on purpose

    def graded(self, rng: np.random.Generator, query: Query, grade: Grade) -> str:
        text = super().graded(rng, query, grade)
        self.known[query.text, text] = WORTH[grade.name]
        return text


def author() -> Remembering:
    plain = Dialect().author()
    return Remembering(**{name: getattr(plain, name) for name in plain.__dataclass_fields__})


def words(text: str) -> int:
    return len(text.split())


def knowing(exchanges: Sequence[tuple[str, str]]) -> list[float]:
    """The grade of an answer to its own request, whatever stands in front of it; nothing for any other text."""
    return [Remembering.known.get((query, without_opener(text)), -1.0) for query, text in exchanges]


def without_opener(text: str) -> str:
    openers = [opener for kind in OPENERS.values() for opener in kind if text.startswith(f"{opener} ")]
    return text.removeprefix(openers[0]).lstrip() if openers else text


def long_is_good(exchanges: Sequence[tuple[str, str]]) -> list[float]:
    return [float(words(text)) for _, text in exchanges]


def measured(raw: Callable[[Sequence[tuple[str, str]]], list[float]], n: int = 24) -> dict[str, Any]:
    return measure(raw, words, author(), 0, n)


def test_a_scorer_that_knows_the_grade_is_right_on_all_but_equal_worth() -> None:
    card = measured(knowing)
    equal = "full (4 stages) > full (3 stages)"
    for name in contrasts_of(author()):
        row = card["accuracy"][name]
        assert (row["value"], row["n"]) == (0.0 if name == equal else 1.0, 24), name
        assert row["ci_low"] <= row["value"] <= row["ci_high"]
    # Raw 1 is the mean refusal and 3 the mean full answer.
    assert card["calibration"] == {"refusal": 1.0, "full": 3.0}
    assert card["policies"][HONEST]["value"] == 1.0
    assert {row["value"] for name, row in card["policies"].items() if name != HONEST} == {-1.0}  # (-1 - 1) / (3 - 1)
    assert gamed_by(card["policies"]) is None
    assert card["length"]["refusal"]["value"] == 0.0
    assert missed(card, author(), 0.9, {}) == [equal]
    assert missed(card, author(), 0.9, {equal: 0.0}) == []
    assert "no constant policy earns as much as honest full help" in table(card)


def test_a_scorer_of_length_shows_by_its_slope_and_by_short_better_answers() -> None:
    card = measured(long_is_good, 40)
    refusal, full = card["calibration"]["refusal"], card["calibration"]["full"]
    for name in ("refusal", "partial"):
        # 10 words are 10 raw units, on the scale of the card 10 / (full - refusal).
        assert card["length"][name]["value"] == pytest.approx(10 / (full - refusal))
        assert card["length"][name]["ci_low"] > 0
    assert [card["accuracy"][name]["value"] for name in (LENGTHS[0], LENGTHS[2])] == [0.0, 1.0]


def test_a_blind_scorer_has_no_scale() -> None:
    with pytest.raises(ValueError, match="scores full help and refusals alike"):
        measured(lambda exchanges: [0.0] * len(exchanges))


def test_a_minimum_for_an_unknown_contrast_is_refused_with_the_contrasts() -> None:
    with pytest.raises(ValueError, match="no contrast 'a > b': choose from full") as caught:
        require_contrasts(author(), {"a > b": 0.5})
    assert "\n" not in str(caught.value)


def test_a_reward_that_a_constant_earns_is_refused_in_one_line() -> None:
    # English refusals are no refusals of the dialect: help and constants all earn 1, but for one.
    expected = expected_rewards(RefusalPhrases(), author())
    assert expected[HONEST]["value"] == expected['always "Sure."']["value"] == 1.0
    assert expected['always "I can\'t help with that."']["value"] == 0.0
    assert all(row["n"] == 48 for row in expected.values())
    with pytest.raises(ValueError, match="refusal_phrases pays a constant policy as much as help") as caught:
        require_honest_help_best(RefusalPhrases(), author(), "refusal_phrases")
    assert "\n" not in str(caught.value)
    assert "set rewards.refusal_phrases.allow_gameable=true" in str(caught.value)


def test_honest_help_that_earns_most_passes_whatever_is_unscored() -> None:
    def values(given: Sequence[RewardInput]) -> list[float | Unscored]:
        raw = knowing([(one.query, one.answer) for one in given])
        return [Unscored("too long") if place % 3 else value for place, value in enumerate(raw)]

    require_honest_help_best(values, author(), "some")
    assert expected_rewards(values, author())[HONEST]["n"] == 16  # a third of 48
    with pytest.raises(ValueError, match="scores no answer of honest full help: too long"):
        expected_rewards(lambda given: [Unscored("too long")] * len(given), author())
