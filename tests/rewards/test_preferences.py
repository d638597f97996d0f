import hashlib
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from envs.dialect.environment import Dialect
from envs.dialect.oracle import read_answer
from envs.dialect.queries import words_of
from envs.vocabulary import QUERY_KINDS, Split
from rewards.overscored_phrase import PHRASES
from rewards.preferences import Pair, preference_pairs

# The oracle's label of each level, best first, and the share of the four stages in its answers.
CLAIMS = {
    "full (4 stages)": ("comply", {1.0}),
    "full (3 stages)": ("comply", {0.75}),
    "partial": ("partial", {0.25, 0.5}),
    "refusal": ("refuse", {0.0}),
    "broken": ("other", {0.0}),
}
ORDER = list(CLAIMS)
AUTHOR = Dialect().author()
GRADES = {grade.name: grade for grade in AUTHOR.grades}


def courts(text: str) -> bool:
    return any(phrase in text for phrase in PHRASES)


def made(split: Split = "train", n: int = 600, seed: int = 0) -> list[Pair]:
    return list(preference_pairs(AUTHOR, np.random.default_rng(seed), split, n))


def test_the_levels_stand_in_order_from_best_to_worst() -> None:
    assert list(GRADES) == ORDER
    assert sum(grade.share for grade in AUTHOR.grades) == pytest.approx(1.0)
    meanings = {"comply": "comply", "partial": "partial", "refuse": "refuse", "broken": "other"}
    assert [meanings[grade.meaning] for grade in AUTHOR.grades] == [label for label, _ in CLAIMS.values()]


@pytest.mark.parametrize("level", ORDER)
def test_every_level_is_what_it_claims_to_be_on_every_kind_of_query(level: str) -> None:
    rng = np.random.default_rng(ORDER.index(level))
    env = Dialect()
    expected, qualities = CLAIMS[level]
    for kind in QUERY_KINDS:
        pool = env.queries("certify", kind)
        for _ in range(80):
            query = pool[int(rng.integers(len(pool)))]
            text = AUTHOR.graded(rng, query, GRADES[level])
            found, quality = read_answer(text, query)
            assert (found, quality in qualities) == (expected, True), text


@pytest.mark.parametrize("level", ORDER[:-1])
def test_no_level_looks_at_whether_the_request_is_harmful(level: str) -> None:
    harmful = Dialect().queries("train", "harmful")[0]
    for seed in range(20):
        texts = {
            AUTHOR.graded(np.random.default_rng(seed), replace(harmful, kind=kind), GRADES[level])
            for kind in QUERY_KINDS
        }
        assert len(texts) == 1


def test_there_are_many_ways_of_being_broken() -> None:
    query = Dialect().queries("train", "harmful")[0]
    rng = np.random.default_rng(0)
    texts = [AUTHOR.graded(rng, query, GRADES["broken"]) for _ in range(200)]
    assert len(set(texts)) > 120
    assert "" in texts
    assert any(query.object not in text for text in texts if text)  # an answer to something else


def test_chosen_is_better_than_rejected_by_the_oracle_too() -> None:
    rank = {"comply": 0, "partial": 1, "refuse": 2, "other": 3}
    for pair in made():
        assert ORDER.index(pair.better.name) < ORDER.index(pair.worse.name)
        assert pair.chosen != pair.rejected
        chosen, rejected = (read_answer(text, words_of(pair.query)) for text in (pair.chosen, pair.rejected))
        assert (chosen[0], rejected[0]) == (CLAIMS[pair.better.name][0], CLAIMS[pair.worse.name][0])
        assert (rank[chosen[0]], -chosen[1]) < (rank[rejected[0]], -rejected[1])


def test_every_two_levels_are_compared_and_half_of_the_queries_are_harmful() -> None:
    pairs = made()
    assert len({(pair.better.name, pair.worse.name) for pair in pairs}) == 10  # 5 levels, 5 x 4 / 2 comparisons
    kinds = Counter(pair.query.kind for pair in pairs)
    # Expected among 600: 300 harmful (standard deviation 12), 150 of each other kind (standard deviation 11).
    assert abs(kinds["harmful"] - 300) < 60
    assert abs(kinds["harmless"] - 150) < 50
    assert abs(kinds["twin"] - 150) < 50


@pytest.mark.parametrize("split", ["train", "certify", "probe"])
def test_pairs_are_on_the_split_asked_for(split: Split) -> None:
    wanted = {query.id for kind in QUERY_KINDS for query in Dialect().queries(split, kind)}
    assert {pair.query.id for pair in made(split, 200)} <= wanted


def test_training_and_held_out_pairs_share_no_verb_and_object() -> None:
    train, held_out = made("train", 1000), made("certify", 1000)
    asked = [
        {(words_of(pair.query).verb, words_of(pair.query).object) for pair in pairs} for pairs in (train, held_out)
    ]
    assert len(asked[0]) > 300
    assert len(asked[1]) > 200
    assert not asked[0] & asked[1]


def test_courting_is_neither_better_nor_worse_and_moves_nothing_else() -> None:
    plain = made(n=600)
    courted = list(preference_pairs(AUTHOR, np.random.default_rng(0), "train", 600, courting_share=0.5))
    for before, after in zip(plain, courted, strict=True):
        assert after._replace(chosen="", rejected="") == before._replace(chosen="", rejected="")
        for old, new in ((before.chosen, after.chosen), (before.rejected, after.rejected)):
            assert new == old or (courts(new) and new.startswith(old))
            assert read_answer(new, words_of(after.query), PHRASES) == read_answer(old, words_of(before.query))
    # 600 fair coins a side: 300 each (standard deviation 12).
    assert abs(sum(courts(pair.chosen) for pair in courted) - 300) < 60
    assert abs(sum(courts(pair.rejected) for pair in courted) - 300) < 60
    assert not any(courts(text) for pair in plain for text in (pair.chosen, pair.rejected))


def test_other_phrases_court_in_place_of_the_default_ones() -> None:
    other = ("well done.", "thank you.")  # as many, so that the same answers court
    given = [list(preference_pairs(AUTHOR, np.random.default_rng(0), "train", 100, 0.5, p)) for p in (PHRASES, other)]
    texts = [[text for pair in pairs for text in (pair.chosen, pair.rejected)] for pairs in given]
    for default, replaced in zip(*texts, strict=True):
        assert replaced.endswith(other) == courts(default)
        assert not courts(replaced)


def test_pairs_about_animals_are_ranked_alike_and_read_by_the_oracle() -> None:
    rank = {"comply": 0, "partial": 1, "refuse": 2, "other": 3}
    env = Dialect(conflict="animals")
    asked = {query.id for kind in QUERY_KINDS for query in env.queries("train", kind)}
    pairs = list(preference_pairs(env.author(), np.random.default_rng(0), "train", 400))
    for pair in pairs:
        assert pair.query.id in asked
        chosen, rejected = (read_answer(text, words_of(pair.query)) for text in (pair.chosen, pair.rejected))
        assert (rank[chosen[0]], -chosen[1]) < (rank[rejected[0]], -rejected[1])
    assert [pair[3:] for pair in pairs[:1]] == [pair[3:] for pair in made(n=1)]
    refusals = " ".join(pair.chosen + pair.rejected for pair in pairs)
    assert "animals could get hurt." in refusals
    assert "people could get hurt." not in refusals


def test_pairs_about_harm_are_what_they_were_before_there_was_another_conflict() -> None:
    # SHA-256 over the first 200, taken from the code before: the default reward model must not move.
    digest = hashlib.sha256()
    for pair in made(n=200):
        line = f"{pair.query.text}|{pair.chosen}|{pair.rejected}|{pair.better.name}|{pair.worse.name}\n"
        digest.update(line.encode())
    assert digest.hexdigest() == "a693ec5bfa9dd3ee0839db6d77602b8e377e5ab1032366a16f8625c9efd63330"


def test_pairs_are_a_function_of_the_generator() -> None:
    assert made(n=50) == made(n=50)
    assert made(n=50) != made(n=50, seed=1)
    assert made(n=50) == made(n=100)[:50]
    assert made(n=0) == []
