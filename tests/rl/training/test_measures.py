"""Guards of a step, on completions counted by hand, and the mismatch of learner and sampler."""

import math
from dataclasses import replace

import numpy as np
import pytest

from envs.dialect.environment import Dialect
from envs.episode import Episode, FreeScenario
from envs.natural.choice import ChoiceQuery, choice_text
from rl.training.measures import commonest, guards, mismatch, repeated_3grams

OPTIONS = ("Keep the file.", "Delete the file.")


def scenario(name: str) -> FreeScenario:
    template = Dialect().training_scenarios(np.random.default_rng(0), 1)[0]
    text = choice_text(f"Situation {name}.", OPTIONS)
    query = ChoiceQuery(name, text, "harmful", name, "files", options=OPTIONS, operator="A", value="care")
    return replace(template, query=query)


def reply(name: str, answer: str, finished: bool = True, parse_ok: bool = True) -> Episode[FreeScenario]:
    ids = np.arange(5)
    return Episode(scenario(name), answer, "", answer, parse_ok=parse_ok, finished=finished, completion_ids=ids)


def test_a_3gram_counts_as_repeated_where_the_same_completion_holds_it_before() -> None:
    # 1 2 3 1 2 3: the 3-grams 123, 231, 312, 123, of which the last stands earlier: 1 of 4. 1 2 3 4 5: 0 of 3.
    loop, plain = np.array([1, 2, 3, 1, 2, 3]), np.array([1, 2, 3, 4, 5])
    assert repeated_3grams([loop]) == pytest.approx(1 / 4)
    assert repeated_3grams([loop, plain]) == pytest.approx(1 / 8)
    assert repeated_3grams([plain, plain]) == 0  # what two completions share is no repetition
    assert repeated_3grams([np.zeros(100, np.int64)]) == pytest.approx(1 - 1 / 98)
    assert repeated_3grams([np.array([1, 2])]) is None


def test_the_commonest_value_is_a_share_of_all() -> None:
    assert commonest(["a", "b", "a", None]) == 0.5
    assert commonest([None, None]) is None


def test_constant_answers_and_options_are_counted_over_distinct_queries() -> None:
    varied = [
        reply("q1", "Keep the file."),
        reply("q2", "B: Delete the file."),
        reply("q3", "neither"),
        reply("q4", "A"),
    ]
    found = guards(varied)
    assert found["commonest_answer"] == 1 / 4
    assert found["commonest_option"] == 2 / 4  # A twice, B once, once none
    constant = guards([reply(name, " keep  THE file.") for name in ("q1", "q2")])
    assert (constant["commonest_answer"], constant["commonest_option"]) == (1.0, 1.0)
    alone = guards([reply("q1", "A"), reply("q1", "A")])
    assert (alone["commonest_answer"], alone["commonest_option"]) == (None, None)


def test_malformed_and_truncated_completions_have_no_answer() -> None:
    found = guards([reply("q1", "A", finished=False, parse_ok=False), reply("q2", "A"), reply("q3", "B")])
    assert found["truncation_rate"] == pytest.approx(1 / 3)
    assert found["commonest_option"] == pytest.approx(1 / 3)


def test_queries_without_options_have_no_commonest_option() -> None:
    scenarios = Dialect().training_scenarios(np.random.default_rng(0), 2)
    episodes = [Episode(s, "I refuse.", "", "I refuse.", parse_ok=True, finished=True) for s in scenarios]
    found = guards(episodes)
    assert found["commonest_option"] is None
    assert found["commonest_answer"] == 1.0
    assert found["repeated_3grams"] is None


def test_the_mismatch_is_worked_out_by_hand() -> None:
    found = mismatch(np.array([0.0, math.log(2), -math.log(2), 0.0]))
    assert found["mismatch_mean"] == pytest.approx(math.log(2) / 2)
    assert found["mismatch_max"] == pytest.approx(math.log(2))
    # r - 1 - log r of the ratios 1, 2, 1/2, 1: 0, 1 - log 2, -1/2 + log 2, 0.
    assert found["mismatch_kl"] == pytest.approx(0.5 / 4)
    assert found["mismatch_effective_share"] == pytest.approx(4.5**2 / (4 * 6.25))
    none = mismatch(np.zeros(3))
    assert (none["mismatch_max"], none["mismatch_kl"], none["mismatch_effective_share"]) == (0, 0, 1)
