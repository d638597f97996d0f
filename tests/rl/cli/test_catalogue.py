import json
from pathlib import Path

from envs.natural.pack_files import read_pack_file
from envs.natural.packs import BUILT_IN
from rl.cli.catalogue import catalogue


def test_the_listed_scenarios_are_a_pack(tmp_path: Path) -> None:
    lines = list(catalogue("scenarios"))
    assert {"kind", "situation", "operator_option", "other_option"} <= set(json.loads(lines[0]))
    pack = tmp_path / "own.jsonl"
    pack.write_text("\n".join(lines), encoding="utf-8")
    assert read_pack_file(pack) == read_pack_file(BUILT_IN)
