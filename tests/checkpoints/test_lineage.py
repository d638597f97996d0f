"""Hashes are stable over time and place, and change with whatever they stand for."""

import hashlib
import shutil
from pathlib import Path

import pytest

from checkpoints import lineage
from checkpoints.plain_json import JSON


def tree(root: Path) -> Path:
    """A small package: two files, one of them in a folder below."""
    (root / "rl" / "probes").mkdir(parents=True)
    (root / "rl" / "loop.py").write_text("a = 1\n")
    (root / "rl" / "probes" / "gap.py").write_text("b = 2\n")
    return root / "rl"


def test_the_hash_of_a_configuration_is_that_of_its_canonical_json() -> None:
    # By hand: sorted keys, no spaces, ASCII.
    expected = hashlib.sha256(b'{"a":[1,2.5,null],"b":"\\u00fc"}').hexdigest()
    assert lineage.hash_config({"b": "ü", "a": [1, 2.5, None]}) == expected
    assert lineage.hash_config({"a": (1, 2.5, None), "b": "ü"}) == expected
    assert lineage.short(expected) == expected[:8]


@pytest.mark.parametrize(
    "other", [{"a": 2}, {"a": 1.0}, {"a": "1"}, {"a": True}, {"a": [1]}, {"b": 1}, {"a": 1, "b": None}]
)
def test_the_hash_of_a_configuration_is_sensitive(other: dict[str, JSON]) -> None:
    assert lineage.hash_config(other) != lineage.hash_config({"a": 1})


def test_nan_has_no_hash() -> None:
    with pytest.raises(ValueError, match="not plain JSON"):
        lineage.hash_config({"a": float("nan")})


def test_the_hash_of_a_directory_is_independent_of_its_own_name_and_of_its_checksums(tmp_path: Path) -> None:
    directory = tree(tmp_path)
    expected = lineage.hash_directory(directory)
    copy = shutil.copytree(directory, tmp_path / "copy")
    (copy / "checksums.json").write_text("{}")
    assert lineage.hash_directory(copy) == expected


def test_the_hash_of_a_directory_changes_with_content_and_place_of_a_file(tmp_path: Path) -> None:
    directory = tree(tmp_path)
    hashes = [lineage.hash_directory(directory)]
    (directory / "loop.py").write_text("a = 3\n")
    hashes.append(lineage.hash_directory(directory))
    (directory / "loop.py").rename(directory / "probes" / "loop.py")
    hashes.append(lineage.hash_directory(directory))
    assert len(set(hashes)) == 3


def test_what_is_not_there_has_no_hash(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a directory"):
        lineage.hash_directory(tmp_path / "absent")
