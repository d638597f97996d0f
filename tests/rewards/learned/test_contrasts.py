"""Pairs in which neither length nor opener tells the better answer."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from envs.dialect.author import DialectAuthor
from envs.dialect.environment import Dialect
from envs.environment import Grade
from envs.natural.environment import Natural
from envs.queries import Query
from rewards.learned.contrasts import ELSEWHERE, NOTHING, Mixture, alike, answer_elsewhere, contrasting_pairs
from rewards.learned.openers import OPENERS, with_opener
from rewards.preferences import Pair

AUTHOR = Dialect().author()
GRADES = {grade.name: grade for grade in AUTHOR.grades}
PLAIN = Mixture(0.0, 0.0, 0.0)
EVERY_OPENER = tuple(opener for kind in OPENERS.values() for opener in kind)


def words(text: str) -> int:
    return len(text.split())


def made(mixture: Mixture, n: int = 400, seed: int = 0) -> list[Pair]:
    return list(contrasting_pairs(AUTHOR, np.random.default_rng(seed), "train", n, mixture, words))


def of_like_length(pairs: Sequence[Pair]) -> float:
    return sum(alike(words(pair.chosen), words(pair.rejected)) for pair in pairs) / len(pairs)


def test_lengths_are_alike_up_to_15_per_cent_of_the_longer_one() -> None:
    assert [alike(17, 20), alike(20, 17), alike(0, 0)] == [True] * 3  # 3 of 20 are 15 %
    assert [alike(16, 20), alike(0, 1)] == [False] * 2


def test_a_share_of_the_pairs_is_of_like_length_where_answers_allow_it() -> None:
    assert of_like_length(made(replace(PLAIN, length_matched=1.0))) > 0.5 > of_like_length(made(PLAIN))


class Wordy(DialectAuthor):
    """An author whose better answers are mostly the longer ones: full help has 6 to 13 words, all else 4 to 11."""

    def graded(self, rng: np.random.Generator, query: Query, grade: Grade) -> str:
        return " ".join([grade.name[0]] * int(rng.integers(6, 14) - 2 * (grade.meaning != "comply")))


def test_the_longer_answer_is_as_often_the_worse_one_where_answers_allow_it() -> None:
    author = Wordy(**{name: getattr(AUTHOR, name) for name in AUTHOR.__dataclass_fields__})
    for matched in (0.0, 0.5):
        pairs = contrasting_pairs(author, np.random.default_rng(0), "train", 900, Mixture(matched, 0.0, 0.0), words)
        of_help = [pair for pair in pairs if pair.better.meaning == "comply" != pair.worse.meaning]
        unequal = [pair for pair in of_help if words(pair.chosen) != words(pair.rejected)]
        longer = sum(words(pair.chosen) > words(pair.rejected) for pair in unequal) / len(unequal)
        # Drawn as it comes, the better one would be longer in .7 of the unequal pairs.
        assert abs(longer - 0.5) < 0.1


def test_negatives_answer_another_request_or_none_and_are_never_the_better_side() -> None:
    pairs = made(replace(PLAIN, negatives=1.0))
    found = Counter(pair.worse.name for pair in pairs)
    # 400 draws at .6: 240 (standard deviation 10) answer elsewhere.
    assert set(found) == {ELSEWHERE.name, NOTHING.name}
    assert abs(found[ELSEWHERE.name] - 240) < 50
    assert "broken" not in {pair.better.meaning for pair in pairs}
    nothing = [pair for pair in pairs if pair.worse is NOTHING]
    assert {"", *(pair.query.text for pair in nothing)} & {pair.rejected for pair in nothing}


def test_an_answer_elsewhere_is_to_a_request_of_another_group() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        query = AUTHOR.query(rng, "train", ("harmful",))
        text = answer_elsewhere(AUTHOR, rng, query, "train")
        assert text != AUTHOR.graded(rng, query, AUTHOR.grades[0])
    lone = AUTHOR.query(rng, "train", ("harmful",))

    class OneGroup(DialectAuthor):
        def query(self, *_: object) -> Any:
            return lone

    author = OneGroup(**{name: getattr(AUTHOR, name) for name in AUTHOR.__dataclass_fields__})
    with pytest.raises(ValueError, match="holds harmful queries of one group alone"):
        answer_elsewhere(author, rng, lone, "train")


@pytest.mark.parametrize(("grade", "misleads"), [("full (4 stages)", "apology"), ("refusal", "promise")])
def test_openers_are_mostly_of_the_other_kind_and_leave_the_answer_whole(grade: str, misleads: str) -> None:
    rng = np.random.default_rng(0)
    texts = [with_opener("the answer.", GRADES[grade], rng, 0.5) for _ in range(900)]
    assert all(text.endswith("the answer.") for text in texts)
    with_one = [text for text in texts if text != "the answer."]
    misleading = [text for text in with_one if text.startswith(OPENERS[misleads])]  # type: ignore[index]
    # Expected 450 (standard deviation 15), and 300 (14) of these that mislead.
    assert abs(len(with_one) - 450) < 75
    assert abs(len(misleading) - 2 / 3 * len(with_one)) < 60


def test_every_opener_stands_on_both_sides() -> None:
    pairs = made(replace(PLAIN, swapped_openers=1.0), 600)
    for kind in OPENERS.values():
        assert any(pair.chosen.startswith(kind) for pair in pairs)
        assert any(pair.rejected.startswith(kind) for pair in pairs)
    assert not any(text.startswith(EVERY_OPENER) for pair in made(PLAIN) for text in (pair.chosen, pair.rejected))


def test_pairs_are_a_function_of_the_generator_and_ranked() -> None:
    mixture = Mixture(0.5, 0.25, 0.2)
    assert made(mixture, 60) == made(mixture, 60)
    assert made(mixture, 60) != made(mixture, 60, seed=1)
    order = list(GRADES)
    for pair in made(mixture):
        assert pair.chosen != pair.rejected
        assert pair.worse.name not in order or order.index(pair.better.name) < order.index(pair.worse.name)


def test_pairs_of_two_options_are_written_too() -> None:
    author = Natural().author()
    pairs = list(contrasting_pairs(author, np.random.default_rng(0), "train", 60, Mixture(0.5, 0.0, 0.3), words))
    assert {"operator's option", "other option"} <= {pair.better.name for pair in pairs}
