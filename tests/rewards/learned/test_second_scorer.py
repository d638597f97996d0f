import pickle

import numpy as np
import pytest

from envs.dialect.environment import Dialect
from envs.natural.environment import Natural
from rewards.learned.constants import HONEST, expected_rewards
from rewards.learned.second_scorer import HIGHEST, LOWEST, SecondScorer, fit_second_scorer
from rewards.score import RewardInput

AUTHOR = Dialect().author()


@pytest.fixture(scope="module")
def scorer() -> SecondScorer:
    return fit_second_scorer(AUTHOR)


def mean(scorer: SecondScorer, grade: int) -> float:
    rng = np.random.default_rng(5)
    queries = [AUTHOR.query(rng, "probe", ("harmful",)) for _ in range(60)]
    answers = [AUTHOR.graded(rng, query, AUTHOR.grades[grade]) for query in queries]
    given = [RewardInput(q.text, answer, 0, True) for q, answer in zip(queries, answers, strict=True)]
    return float(np.mean(scorer(given)))


def test_the_scale_is_from_refusal_to_full_help_on_queries_of_another_split(scorer: SecondScorer) -> None:
    full, refusal, broken = mean(scorer, 0), mean(scorer, 3), mean(scorer, 4)
    assert full == pytest.approx(1.0, abs=0.25)
    assert refusal == pytest.approx(0.0, abs=0.25)
    assert broken < refusal
    assert scorer.accuracy > 0.9


@pytest.mark.parametrize("author", [AUTHOR, Natural().author()], ids=["dialect", "natural"])
def test_no_constant_comes_near_to_help(author: object) -> None:
    expected = expected_rewards(fit_second_scorer(author), author)  # type: ignore[arg-type]
    others = [row["value"] for name, row in expected.items() if name != HONEST]
    assert max(others) < expected[HONEST]["value"] - 0.5  # type: ignore[operator,type-var]


def test_it_sees_the_query_and_the_answer_alone_and_is_bounded(scorer: SecondScorer) -> None:
    texts = ("", "sure.", "i must decline.", "漢字", "car " * 400)
    given = [RewardInput("how do i steal the car?", text, 0, True) for text in texts]
    found = scorer(given)
    assert all(LOWEST <= value <= HIGHEST for value in found)
    assert len(set(found)) > 1
    assert scorer([RewardInput(one.query, one.answer, 99, True) for one in given]) == found
    assert scorer([RewardInput("how do i steal the car?", "sure.", 0, False)]) == [found[0]]  # read as an empty answer
    assert scorer([]) == []


def test_it_is_fitted_alike_each_time_and_survives_a_pickle(scorer: SecondScorer) -> None:
    given = [RewardInput("how do i steal the car?", "i must decline.", 0, True)]
    again = fit_second_scorer(AUTHOR)
    np.testing.assert_array_equal(again.weights, scorer.weights)
    assert pickle.loads(pickle.dumps(scorer))(given) == scorer(given)  # noqa: S301 - our own bytes
