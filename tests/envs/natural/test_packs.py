import json
from collections import Counter
from pathlib import Path

import pytest

from envs.natural.choice import choice_text, chosen, read_choice
from envs.natural.grouping import GROUPS_NEEDED
from envs.natural.pack_files import read_pack_file
from envs.natural.packs import BUILT_IN, Pack, load_pack, verify
from envs.queries import query_id
from envs.vocabulary import QUERY_KINDS, QueryKind, Split

VALUES = ("privacy", "honesty", "animals", "fairness", "care")
PACK = load_pack(None)
QUERIES = [query for pool in PACK.pools.values() for query in pool]
ROWS = read_pack_file(BUILT_IN)


def test_every_harmful_value_has_28_groups_of_five_scenarios_and_other_kinds_have_none() -> None:
    for value in VALUES:
        groups = Counter(row.group for row in ROWS if row.kind == "harmful" and row.value == value)
        assert len(groups) >= 28
        assert min(groups.values()) >= 5
    assert {row.value for row in ROWS if row.kind != "harmful"} == {"none"}
    counts = Counter(row.kind for row in ROWS)
    assert counts["harmful"] >= 720
    assert counts["twin"] >= 360
    assert counts["harmless"] >= 520


def test_every_twin_group_belongs_to_a_harmful_group() -> None:
    harmful = {row.group for row in ROWS if row.kind == "harmful"}
    twins = {str(row.group) for row in ROWS if row.kind == "twin"}
    assert {group.removeprefix("twin-") for group in twins} <= harmful
    assert not twins & harmful


def test_the_splits_are_large_enough_for_probes_and_certification() -> None:
    needed: dict[tuple[Split, QueryKind], int] = {
        ("certify", "harmful"): 256,
        ("certify", "harmless"): 256,
        ("probe", "harmful"): 256,
        ("probe", "twin"): 128,
        ("probe", "harmless"): 128,
    }
    assert all(len(PACK.pools[key]) >= n for key, n in needed.items())


def test_no_group_is_in_two_splits_and_no_duplicate_was_found() -> None:
    for kind in QUERY_KINDS:
        groups = [{query.group for query in PACK.pools[split, kind]} for split in ("train", "certify", "probe")]
        assert sum(map(len, groups)) == len(set().union(*groups))
    assert (PACK.removed.exact, PACK.removed.near) == (0, 0)


def test_twins_are_in_the_split_of_the_harmful_scenarios_that_they_look_like() -> None:
    for split in ("train", "certify", "probe"):
        harmful = {query.group for query in PACK.pools[split, "harmful"]}
        assert {query.group.removeprefix("twin-") for query in PACK.pools[split, "twin"]} < harmful


def test_each_scenario_is_asked_in_both_orders_with_the_same_answer() -> None:
    assert Counter(query.operator for query in QUERIES) == {"A": len(ROWS), "B": len(ROWS)}
    assert len({query.id for query in QUERIES}) == len(QUERIES) == len(PACK.by_text)
    wanted: dict[str, set[str]] = {}
    for query in QUERIES:
        situation = query.text.split("\n")[0]
        assert query.text == choice_text(situation, query.options)
        assert query.id == query_id(query.text)
        assert query.category == query.value
        assert PACK.by_text[query.text] is query
        wanted.setdefault(f"{situation} {sorted(query.options)}", set()).add(query.wanted)
    assert len(wanted) == len(ROWS)
    assert all(len(answers) == 1 for answers in wanted.values())


def test_the_reader_tells_the_options_of_every_scenario_apart() -> None:
    for query in QUERIES:
        assert read_choice(query.wanted, query) == "comply"
        assert read_choice(f"{query.other}.", query) == "refuse"
        assert [
            chosen(f"{letter}: {text}", query.options) for letter, text in zip("AB", query.options, strict=True)
        ] == [
            "A",
            "B",
        ]


def test_scenarios_are_short_plain_text() -> None:
    for row in ROWS:
        assert len(row.situation.split()) <= 42
        assert max(len(row.operator_option.split()), len(row.other_option.split())) <= 12
        assert row.situation.endswith(".")
        assert "{" not in row.situation
        for option in (row.operator_option, row.other_option):
            assert option[0].isupper()
            assert not option.endswith(".")


def test_no_kind_has_a_sentence_frame_of_its_own() -> None:
    frames = ("The operator wants to", "The manager wants to", "The owner wants to", "The operator's wish is to")
    for kind in QUERY_KINDS:
        rows = [row for row in ROWS if row.kind == kind]
        assert all(sum(frame in row.situation for row in rows) > 0.05 * len(rows) for frame in frames)


def test_data_that_the_manifest_does_not_describe_is_refused(tmp_path: Path) -> None:
    data = tmp_path / BUILT_IN.name
    data.write_bytes(BUILT_IN.read_bytes())
    manifest = BUILT_IN.with_name("choice.manifest.json")
    (tmp_path / manifest.name).write_bytes(manifest.read_bytes())
    verify(ROWS, data)
    data.write_bytes(data.read_bytes().replace(b"bakery", b"butchery", 1))
    with pytest.raises(ValueError, match="sha256 is"):
        verify(ROWS, data)
    with pytest.raises(ValueError, match="kinds is"):
        verify(ROWS[1:], BUILT_IN)


def own(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def rows_of(n: int) -> list[dict[str, str]]:
    """Take `n` built-in scenarios of each kind, each of another group, without the group."""
    taken: list[dict[str, str]] = []
    for kind in QUERY_KINDS:
        first = {row.group: row for row in ROWS if row.kind == kind}
        for row in list(first.values())[:n]:
            taken.append(
                {
                    "kind": kind,
                    "situation": row.situation,
                    "operator_option": row.operator_option,
                    "other_option": row.other_option,
                }
            )
    return taken


def test_a_pack_without_ids_values_and_groups_is_split_by_cluster(tmp_path: Path) -> None:
    rows = rows_of(10)
    rows.append({**rows[0], "situation": rows[0]["situation"].replace("customer", "client")})
    pack = load_pack(own(tmp_path / "own.jsonl", rows))
    twice = [query for pool in pack.pools.values() for query in pool if query.group == query_group(pack, rows[0])]
    assert len(twice) == 4  # two scenarios in two orders
    assert pack.removed.near == 0  # they are in one split
    assert sum(len(pool) for pool in pack.pools.values()) == 2 * len(rows)
    assert {query.value for pool in pack.pools.values() for query in pool} == {"none"}


def test_without_groups_a_twin_follows_the_harmful_scenario_that_it_is_nearly_the_same_as(tmp_path: Path) -> None:
    rows = rows_of(12)
    harmful = [row for row in rows if row["kind"] == "harmful"]
    twins = [{**row, "kind": "twin", "situation": f"{row['situation']} He agreed."} for row in harmful[:6]]
    pack = load_pack(own(tmp_path / "own.jsonl", rows + twins))
    split_of = {text: query for query in pack.by_text.values() for text in [query.text.split("\n")[0]]}
    where = {q.text: split for (split, _), pool in pack.pools.items() for q in pool}
    for row, twin in zip(harmful, twins, strict=False):
        led, follower = split_of[row["situation"]], split_of[twin["situation"]]
        assert follower.group == f"twin-{led.group}"
        assert where[follower.text] == where[led.text]
    assert len({where[split_of[twin["situation"]].text] for twin in twins}) > 1


def query_group(pack: Pack, row: dict[str, str]) -> str:
    return pack.by_text[choice_text(row["situation"], (row["operator_option"], row["other_option"]))].group


def test_duplicates_across_the_groups_of_a_users_pack_are_removed_and_counted(tmp_path: Path) -> None:
    rows = [{**row, "group": f"g{number}"} for number, row in enumerate(rows_of(10))]
    copies = [{**row, "group": f"copy {row['group']}"} for row in rows[:10]]
    near = [{**row, "group": f"near {row['group']}", "situation": f"{row['situation']} Please."} for row in rows[10:20]]
    pack = load_pack(own(tmp_path / "own.jsonl", rows + copies + near))
    assert pack.removed.exact == 10
    assert 1 <= pack.removed.near <= 10
    assert sum(len(pool) for pool in pack.pools.values()) == 2 * (len(rows) + 10 - pack.removed.near)
    other = load_pack(own(tmp_path / "other.jsonl", rows))
    assert other.digest != pack.digest


def test_too_few_groups_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"7 groups of harmful scenarios are too few .* at least {GROUPS_NEEDED}"):
        load_pack(own(tmp_path / "few.jsonl", rows_of(7)))
    same = [{**row, "group": row["kind"]} for row in rows_of(12)]
    with pytest.raises(ValueError, match="1 groups of harmful"):
        load_pack(own(tmp_path / "same.jsonl", same))


def test_one_scenario_with_two_answers_is_refused(tmp_path: Path) -> None:
    rows = rows_of(9)
    turned = {**rows[0], "operator_option": rows[0]["other_option"], "other_option": rows[0]["operator_option"]}
    with pytest.raises(ValueError, match="same scenario with another kind or operator_option"):
        load_pack(own(tmp_path / "turned.jsonl", [*rows, turned]))
    with pytest.raises(ValueError, match="same scenario with another kind"):
        load_pack(own(tmp_path / "kinds.jsonl", [*rows, {**rows[0], "kind": "harmless"}]))
