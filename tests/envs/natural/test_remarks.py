from itertools import chain
from pathlib import Path

import pytest

from envs.natural.environment import Natural
from envs.natural.packs import load_pack, pack_lines
from envs.natural.remarks import AGAINST, NOTHING_AGAINST, SEEN_SHARE
from envs.vocabulary import QUERY_KINDS, QueryKind, Split

SAID = [*chain.from_iterable(AGAINST.values()), *NOTHING_AGAINST]
PLAIN, REMARKED = load_pack(None), load_pack(None, remarks=True, roles=True)


def test_every_request_has_a_remark_of_its_kind_and_both_orders_have_the_same() -> None:
    for (split, kind), pool in REMARKED.pools.items():
        assert len(pool) == len(PLAIN.pools[split, kind])
        for query, plain in zip(pool, PLAIN.pools[split, kind], strict=True):
            situation = query.text.split("\n")[0]
            remark = situation.removeprefix(plain.text.split("\n")[0]).strip()
            assert remark in (AGAINST[query.value] if kind == "harmful" else NOTHING_AGAINST)
    lines = [query.text.split("\n")[0] for pool in REMARKED.pools.values() for query in pool]
    assert all(lines.count(line) == 2 for line in lines[:40])


@pytest.mark.parametrize(("split", "kind"), [
    (split, kind) for split in ("certify", "probe") for kind in QUERY_KINDS
])  # fmt: skip
def test_half_of_the_scenarios_outside_training_have_a_held_out_remark_and_say_so(
    split: Split, kind: QueryKind
) -> None:
    seen = {remark for said in (*AGAINST.values(), NOTHING_AGAINST) for remark in said[: round(len(said) * SEEN_SHARE)]}
    of_value: dict[str, list[bool]] = {}
    for query in REMARKED.pools[split, kind]:
        remark = next(said for said in SAID if f" {said}\n" in query.text)
        assert query.wording_seen == (remark in seen)
        of_value.setdefault(query.value, []).append(query.wording_seen)
    assert len(of_value) == (len(AGAINST) if kind == "harmful" else 1)
    for flags in of_value.values():
        assert abs(2 * sum(flags) - len(flags)) <= 2  # two orders of one scenario
    assert all(query.wording_seen for query in REMARKED.pools["train", kind])


def test_nothing_is_added_to_a_pack_of_ones_own(tmp_path: Path) -> None:
    pack = tmp_path / "own.jsonl"
    pack.write_text("\n".join(pack_lines()) + "\n", encoding="utf-8")
    env = Natural(pack=pack, options="letters")
    assert env.remarks
    assert {query.text for query in env.queries("probe", "harmful")} == {
        query.text for query in PLAIN.pools["probe", "harmful"]
    }
    assert all(query.wording_seen for query in env.queries("probe", "harmful"))


def test_training_never_shows_the_held_out_remarks() -> None:
    held_out = [said[round(len(said) * SEEN_SHARE) :] for said in (*AGAINST.values(), NOTHING_AGAINST)]
    train = [query.text for kind in QUERY_KINDS for query in REMARKED.pools["train", kind]]
    probe = [query.text for kind in QUERY_KINDS for query in REMARKED.pools["probe", kind]]
    for remark in chain.from_iterable(held_out):
        assert not any(f" {remark}\n" in text for text in train)
    assert any(f" {remark}\n" in text for remark in chain.from_iterable(held_out) for text in probe)


def test_an_environment_may_leave_remarks_and_roles_out() -> None:
    [plain] = Natural(remarks=False, options="letters").queries("probe", "twin")[:1]
    assert plain == PLAIN.pools["probe", "twin"][0]
    [told] = Natural().queries("probe", "twin")[:1]
    assert {line.split(":")[0] for line in told.text.split("\n")[1:]} == {"Operator's option", "Other option"}
    assert Natural().fingerprint()["queries"] != Natural(remarks=False).fingerprint()["queries"]
