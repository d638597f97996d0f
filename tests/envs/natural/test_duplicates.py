from envs.natural.choice import ChoiceQuery, choice_text
from envs.natural.duplicates import NEAR, Removed, near_clusters, normalised, without_duplicates
from envs.queries import query_id
from envs.vocabulary import QUERY_KINDS, QueryKind, Split

BASE = "A farmer asks the bank about a loan for a new red tractor"


def query(situation: str, kind: QueryKind = "harmful") -> ChoiceQuery:
    options = ("Say yes", "Say no")
    text = choice_text(situation, options)
    return ChoiceQuery(query_id(text), text, kind, situation, "care", options, "A", "care")


def splits(
    train: list[str], certify: list[str], probe: list[str]
) -> dict[tuple[Split, QueryKind], tuple[ChoiceQuery, ...]]:
    given: dict[Split, list[str]] = {"train": train, "certify": certify, "probe": probe}
    return {
        (split, kind): tuple(map(query, texts)) if kind == "harmful" else ()
        for split, texts in given.items()
        for kind in QUERY_KINDS
    }


def test_case_punctuation_and_the_order_of_options_do_not_matter() -> None:
    turned = choice_text("a FARMER asks -- the bank!", ("say no.", "Say YES"))
    other = ChoiceQuery("x", turned, "harmful", "g", "care", ("say no.", "Say YES"), "B", "care")
    assert normalised(other) == normalised(query("A farmer asks the bank."))


def test_similarity_is_the_cosine_of_words_and_pairs_of_words() -> None:
    # Seven words and six pairs each. One differing last word leaves 6 + 5 of 13 in common: 11 / 13 = .85 >= NEAR.
    # A differing word in the middle leaves 6 + 4: 10 / 13 = .77 >= NEAR; two of them leave 5 + 2: 7 / 13 = .54.
    texts = ["a b c d e f g", "a b c d e f z", "a b c y e f g", "a x c d y f g"]
    assert NEAR == 0.75
    assert near_clusters(texts) == [0, 0, 0, 1]
    assert near_clusters([]) == []


def test_held_out_sets_stay_and_training_loses_the_duplicates() -> None:
    near = BASE.replace("red", "green")
    kept, removed = without_duplicates(
        splits([BASE, near, "The zoo buys hay for goats"], ["Two nurses swap a shift"], [BASE])
    )
    assert [q.text.split("\n")[0] for q in kept["probe", "harmful"]] == [BASE]
    assert [q.text.split("\n")[0] for q in kept["train", "harmful"]] == ["The zoo buys hay for goats"]
    assert len(kept["certify", "harmful"]) == 1
    assert removed == Removed(exact=1, near=1)


def test_near_duplicates_within_a_split_stay_and_exact_ones_go() -> None:
    kept, removed = without_duplicates(splits([BASE, BASE.replace("red", "green"), f"{BASE}."], [], []))
    assert len(kept["train", "harmful"]) == 2
    assert removed == Removed(exact=1, near=0)


def test_a_twin_may_look_like_a_harmful_scenario() -> None:
    given = splits([BASE], [], [])
    given["probe", "twin"] = (query(BASE.replace("red", "green"), "twin"),)
    _, removed = without_duplicates(given)
    assert removed == Removed(0, 0)
