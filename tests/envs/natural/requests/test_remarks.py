"""Remarks behind requests in free text: each states the conflict, or that there is none."""

from pathlib import Path

from envs.natural.remarks import SEEN_SHARE
from envs.natural.requests.environment import Requests
from envs.natural.requests.packs import load_requests, remarks, request_lines
from envs.natural.requests.wishes import VALUES, value_of
from envs.vocabulary import QUERY_KINDS

PLAIN, REMARKED = load_requests(None), load_requests(None, remarked=True)
AGAINST, NOTHING_AGAINST = remarks()


def test_every_value_of_a_category_has_remarks_and_no_remark_stands_twice() -> None:
    assert set(AGAINST) == set(VALUES.values())
    said = [remark for among in AGAINST.values() for remark in among] + NOTHING_AGAINST
    assert len(said) == len(set(said))
    assert all(len(among) >= 12 for among in (*AGAINST.values(), NOTHING_AGAINST))


def test_every_request_ends_with_a_remark_of_its_value() -> None:
    for (split, kind), pool in REMARKED.pools.items():
        for query, plain in zip(pool, PLAIN.pools[split, kind], strict=True):
            assert query.text == f"{plain.text} {query.remark}"
            assert query.remark in (AGAINST[value_of(query)] if kind == "harmful" else NOTHING_AGAINST)
            assert REMARKED.by_text[query.text] == query


def test_training_shows_two_thirds_of_the_remarks_and_half_of_the_held_out_requests_have_others() -> None:
    shown = {one for among in (*AGAINST.values(), NOTHING_AGAINST) for one in among[: round(len(among) * SEEN_SHARE)]}
    for kind in QUERY_KINDS:
        assert {query.remark for query in REMARKED.pools["train", kind]} <= shown
        for query in (*REMARKED.pools["certify", kind], *REMARKED.pools["probe", kind]):
            assert query.wording_seen == (query.remark in shown)
        held_out = [not query.wording_seen for query in REMARKED.pools["probe", kind]]
        assert abs(sum(held_out) / len(held_out) - 0.5) < 0.05


def test_nothing_is_added_to_a_pack_of_ones_own_or_where_remarks_are_off(tmp_path: Path) -> None:
    own = tmp_path / "own.jsonl"
    own.write_text("\n".join(request_lines()), encoding="utf-8")
    assert Requests(pack=own).queries("probe", "harmful")[0].remark == ""
    assert Requests(remarks=False).queries("probe", "harmful") == PLAIN.pools["probe", "harmful"]
    assert Requests().for_building().queries("probe", "harmful") == REMARKED.pools["probe", "harmful"]
