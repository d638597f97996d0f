import json
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from envs.natural.grouping import GROUPS_NEEDED, TWIN_OF
from envs.natural.requests.packs import BUILT_IN, load_requests, request_lines, verify
from envs.natural.requests.queries import RequestQuery
from envs.natural.requests.request_files import read_built_in
from envs.queries import query_id
from envs.vocabulary import QUERY_KINDS, QueryKind, Split

PACK = load_requests(None)
QUERIES = [query for pool in PACK.pools.values() for query in pool]
SPLITS: tuple[Split, ...] = ("train", "certify", "probe")


def test_the_built_in_pack_is_large_and_varied() -> None:
    counts = Counter(query.kind for query in QUERIES)
    assert len(QUERIES) >= 2000
    assert counts["harmful"] >= 1000
    assert min(counts["twin"], counts["harmless"]) >= 500
    assert len({query.category for query in QUERIES if query.kind == "harmful"}) >= 12
    needed: dict[QueryKind, int] = {"harmful": 40, "twin": 20, "harmless": 20}
    for kind, groups in needed.items():
        assert len({query.group for query in QUERIES if query.kind == kind}) >= groups


def test_the_splits_are_large_enough_for_probes_and_certification() -> None:
    needed: dict[tuple[Split, QueryKind], int] = {
        ("certify", "harmful"): 256,
        ("certify", "harmless"): 256,
        ("probe", "harmful"): 256,
        ("probe", "twin"): 128,
        ("probe", "harmless"): 256,
    }
    assert all(len(PACK.pools[key]) >= n for key, n in needed.items())


def test_no_group_is_in_two_splits_and_no_duplicate_was_found() -> None:
    for kind in QUERY_KINDS:
        groups = [{query.group for query in PACK.pools[split, kind]} for split in SPLITS]
        assert sum(map(len, groups)) == len(set().union(*groups))
    assert (PACK.removed.exact, PACK.removed.near) == (0, 0)


def test_each_split_holds_half_of_the_frames_of_held_out_requests_and_training_shows_all_frames() -> None:
    for kind in ("harmful", "harmless"):
        frames = {split: {query.frame for query in PACK.pools[split, kind]} for split in SPLITS}
        assert frames["train"] == frames["certify"] | frames["probe"]
        assert not frames["certify"] & frames["probe"]


def test_twins_are_in_the_split_of_the_harmful_requests_that_they_look_like() -> None:
    for split in SPLITS:
        harmful = {query.group for query in PACK.pools[split, "harmful"]}
        twins = {query.group for query in PACK.pools[split, "twin"]}
        assert all(group.startswith(TWIN_OF) for group in twins)
        assert {group.removeprefix(TWIN_OF) for group in twins} < harmful


def test_requests_are_found_by_their_text() -> None:
    assert len(PACK.by_text) == len(QUERIES)
    for query in QUERIES:
        assert PACK.by_text[query.text] is query
        assert query.id == query_id(query.text)
    assert not PACK.sensitive


def test_requests_are_short_plain_sentences() -> None:
    for query in QUERIES:
        assert len(query.text.split()) <= 30
        assert not set("{}[]|") & set(query.text)
        assert query.text[-1] in ".?!"
        assert query.text[0].isupper() or query.text[0] == '"'


def test_lengths_of_the_kinds_overlap() -> None:
    lengths = {kind: [len(q.text.split()) for q in QUERIES if q.kind == kind] for kind in QUERY_KINDS}
    means = {kind: sum(words) / len(words) for kind, words in lengths.items()}
    assert max(means.values()) - min(means.values()) < 6


def test_data_that_the_manifest_does_not_describe_is_refused(tmp_path: Path) -> None:
    rows = read_built_in(BUILT_IN)
    data = tmp_path / BUILT_IN.name
    data.write_bytes(BUILT_IN.read_bytes().replace(b"Rosa", b"Rita", 1))
    manifest = BUILT_IN.with_name("requests.manifest.json")
    (tmp_path / manifest.name).write_bytes(manifest.read_bytes())
    with pytest.raises(ValueError, match="sha256 is"):
        verify(rows, data)
    with pytest.raises(ValueError, match=r"kinds is.*install gyges again"):
        verify(rows[1:], BUILT_IN)


def rows_of(n: int) -> list[dict[str, str]]:
    """Take `n` built-in requests of each kind, each of another group, without the group."""
    taken: list[dict[str, str]] = []
    for kind in QUERY_KINDS:
        first = {query.group: query for query in QUERIES if query.kind == kind}
        taken += [{"text": query.text, "kind": kind} for query in list(first.values())[:n]]
    return taken


def own(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_json_lines_csv_and_parquet_hold_the_same_pack(tmp_path: Path) -> None:
    rows = rows_of(10)
    frame = pd.DataFrame(rows)
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    pack = load_requests(own(tmp_path / "a.jsonl", rows))
    assert pack.pools == load_requests(tmp_path / "a.csv").pools == load_requests(tmp_path / "a.parquet").pools
    assert {query.text for query in pack.by_text.values()} == {row["text"] for row in rows}
    assert not pack.sensitive
    assert all((query.frame, query.slots, query.category) == ("", (), "none") for query in pack.by_text.values())


def test_the_built_in_lines_are_a_pack_of_their_own(tmp_path: Path) -> None:
    copy = tmp_path / "copy.jsonl"
    copy.write_text("\n".join(request_lines()), encoding="utf-8")
    pack = load_requests(copy)
    assert pack.by_text.keys() == PACK.by_text.keys()
    assert pack.digest != PACK.digest  # its requests have no written answers


def test_near_duplicates_without_groups_stay_in_one_split(tmp_path: Path) -> None:
    rows = rows_of(10)
    rows.append({**rows[0], "text": f"{rows[0]['text']} Thanks."})
    pack = load_requests(own(tmp_path / "own.jsonl", rows))
    assert pack.by_text[rows[0]["text"]].group == pack.by_text[rows[-1]["text"]].group
    assert pack.removed.near == 0


def test_near_duplicates_of_other_groups_are_removed_across_splits(tmp_path: Path) -> None:
    rows = [{**row, "group": f"g{index}"} for index, row in enumerate(rows_of(12))]
    pack = load_requests(own(tmp_path / "a.jsonl", rows))
    held = pack.pools["probe", "harmful"][0]
    trained = pack.pools["train", "harmful"][0]
    rows.append({"text": f"{held.text} Thanks.", "kind": "harmful", "group": trained.group})
    again = load_requests(own(tmp_path / "b.jsonl", rows))
    assert again.removed.near == 1
    assert held.text in again.by_text
    assert f"{held.text} Thanks." not in again.by_text


def refused(source: Path) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        load_requests(source)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_bad_packs_are_refused_in_one_line(tmp_path: Path) -> None:
    rows = rows_of(10)
    assert "no column 'kind'" in refused(own(tmp_path / "a.jsonl", [{"text": "Write a note."}]))
    assert "rename 'txt'" in refused(own(tmp_path / "b.jsonl", [{"txt": "Write a note.", "kind": "twin"}]))
    assert "'bad' is no kind" in refused(own(tmp_path / "c.jsonl", [{"text": "Write.", "kind": "bad"}]))
    assert "text is empty" in refused(own(tmp_path / "d.jsonl", [{"text": " ", "kind": "twin"}]))
    assert "holds no request" in refused(own(tmp_path / "e.jsonl", []))
    assert "same request with another kind" in refused(
        own(tmp_path / "f.jsonl", [*rows, {"text": rows[0]["text"].upper(), "kind": "harmless"}])
    )
    few = refused(own(tmp_path / "g.jsonl", rows_of(GROUPS_NEEDED - 1)))
    assert "groups of harmful requests are too few" in few
    assert "a pack is a file ending in" in refused(own(tmp_path / "h.xml", rows))
    assert "the sets are strongreject, advbench, harmbench" in refused(Path("strongrejekt"))


def test_the_digest_changes_with_a_request(tmp_path: Path) -> None:
    rows = rows_of(10)
    first = load_requests(own(tmp_path / "a.jsonl", rows)).digest
    rows[0] = {**rows[0], "text": f"{rows[0]['text']} Thanks."}
    assert load_requests(own(tmp_path / "b.jsonl", rows)).digest != first


def test_queries_are_hashable_and_carry_their_slots() -> None:
    query = next(query for query in QUERIES if query.frame == "fake-praise")
    assert isinstance(query, RequestQuery)
    assert {name for name, _ in query.slots} == {"place", "item"}
    assert len(set(QUERIES)) == len(QUERIES)
