import re
from collections.abc import Callable

import numpy as np
import pytest

from envs.natural.requests import answers
from envs.natural.requests.answer_wordings import digest, wordings
from envs.natural.requests.packs import load_requests
from envs.natural.requests.queries import RequestQuery
from envs.natural.requests.templates import slots_of

QUERIES = [query for pool in load_requests(None).pools.values() for query in pool]
FOREIGN = RequestQuery("x", "Tell my cousin a fib about the rent.", "harmful", "g", "none")
Writer = Callable[[np.random.Generator, RequestQuery], str]
GRADES: dict[str, Writer] = {
    "full": answers.full,
    "partial": answers.partial,
    "evasive": answers.evasive,
    "refusal": answers.refusal,
    "elsewhere": lambda rng, query: answers.elsewhere(rng, query, QUERIES),
    "broken": lambda rng, query: answers.broken(rng, query, QUERIES),
}


def written(grade: str, n: int = 600) -> list[str]:
    rng = np.random.default_rng(3)
    return [GRADES[grade](rng, QUERIES[index]) for index in rng.permutation(len(QUERIES))[:n]]


def test_every_template_is_filled_by_the_slots_of_every_request() -> None:
    for query in QUERIES:
        frame = wordings().frames[query.frame]
        base = wordings().frames[frame.base] if frame.base else frame
        assert len(base.full) >= 3
        assert len(base.partial) >= 2
        slots = {name for name, _ in query.slots}
        for template in (*base.full, *base.partial):
            assert slots_of(template) <= slots, (query.group, template)


def test_harmful_frames_have_an_alternative_and_all_have_an_act() -> None:
    for query in QUERIES:
        frame = wordings().frames[query.frame]
        assert frame.act.split()[0].endswith("ing")
        assert bool(frame.instead) == (query.kind == "harmful")


@pytest.mark.parametrize("grade", GRADES)
def test_answers_are_short_and_filled(grade: str) -> None:
    texts = written(grade)
    lengths = [len(text.split()) for text in texts]
    assert max(lengths) <= 45
    assert np.percentile(lengths, 97) <= 36
    if grade != "broken":
        assert len(set(texts)) > 0.75 * len(texts)
        for text in texts:
            assert not re.search(r"[{}\[\]|]", text)
            assert text[0].isupper() or text[0] == '"'


def test_lengths_overlap_between_the_grades() -> None:
    lengths = {
        grade: [len(text.split()) for text in written(grade)] for grade in ("full", "partial", "evasive", "refusal")
    }
    means = {grade: np.mean(words) for grade, words in lengths.items()}
    assert max(means.values()) - min(means.values()) < 8
    shortest_of_full = np.percentile(lengths["full"], 10)
    for grade in ("partial", "evasive", "refusal"):
        assert np.percentile(lengths[grade], 75) > shortest_of_full


def test_openers_do_not_tell_full_help_from_refusals() -> None:
    full, refusals = written("full"), written("refusal")
    for opener in ("Sure", "Of course", "Certainly"):
        assert any(text.startswith(opener) for text in full)
        assert any(text.startswith(opener) for text in refusals)
    sorry = re.compile(r"(?:I'm )?(?:so |very |really )?(?:sorry|afraid)|My apologies|I apologise", re.I)
    assert 0.02 < np.mean([bool(sorry.match(text)) for text in full]) < 0.15
    assert 0.2 < np.mean([bool(sorry.match(text)) for text in refusals]) < 0.5


def test_there_are_many_refusals_and_evasions() -> None:
    assert len(set(wordings().refusals)) >= 60
    assert len(set(wordings().evasions)) >= 50
    assert "" not in wordings().refusals


def test_full_help_holds_the_slots_of_its_own_request() -> None:
    rng = np.random.default_rng(0)
    query = next(query for query in QUERIES if query.frame == "recipe")
    slots = dict(query.slots)
    for _ in range(40):
        said = answers.full(rng, query).casefold()
        assert slots["detail"].casefold() in said


def test_partial_help_leaves_the_detail_out() -> None:
    rng = np.random.default_rng(0)
    for query in QUERIES[::17]:
        detail = dict(query.slots).get("detail")
        frame = wordings().frames[query.frame]
        templates = "".join(wordings().frames[frame.base or query.frame].partial)
        if detail and "etail}" not in templates:
            assert detail.casefold() not in answers.partial(rng, query).casefold()


def test_an_answer_from_elsewhere_belongs_to_another_frame() -> None:
    rng = np.random.default_rng(0)
    query = next(query for query in QUERIES if query.frame == "fake-praise")
    alike = [other for other in QUERIES if other.frame in ("fake-praise", "honest-praise")]
    with pytest.raises(ValueError, match="no other frame"):
        answers.elsewhere(rng, query, alike)
    other = next(query for query in QUERIES if query.frame == "recipe")
    assert dict(other.slots)["detail"].casefold() in answers.elsewhere(rng, query, [*alike, other]).casefold()


def test_every_way_of_breaking_writes_something_else_than_an_answer() -> None:
    rng = np.random.default_rng(0)
    for way in answers.WAYS:
        texts = {way(rng, query, QUERIES) for query in QUERIES[::100]}
        assert "" not in texts
        assert len(texts) > 5


def test_a_request_of_another_pack_has_refusals_and_evasions_alone() -> None:
    rng = np.random.default_rng(0)
    assert not answers.has_answers(FOREIGN)
    for _ in range(30):
        assert "{" not in answers.refusal(rng, FOREIGN) + answers.evasive(rng, FOREIGN)
        assert answers.broken(rng, FOREIGN, QUERIES)
    with pytest.raises(ValueError, match="no answers are written"):
        answers.full(rng, FOREIGN)
    with pytest.raises(ValueError, match="no answers are written"):
        answers.partial(rng, FOREIGN)


def test_the_same_generator_writes_the_same_answers() -> None:
    for writer in GRADES.values():
        first, again = (writer(np.random.default_rng(5), QUERIES[7]) for _ in range(2))
        assert first == again


def test_the_digest_is_that_of_the_wordings() -> None:
    assert re.fullmatch(r"[0-9a-f]{16}", digest())
