"""A cache entry is built once, found again, and rebuilt when it is damaged."""

import subprocess
import sys
from pathlib import Path

import pytest

from checkpoints import cache

ROOT = Path(__file__).resolve().parents[2]


def build(directory: Path) -> None:
    (directory / "model.bin").write_text("weights")


def must_not_build(directory: Path) -> None:
    raise AssertionError(f"built again: {directory}")


def test_an_entry_is_built_once_and_then_found(tmp_path: Path) -> None:
    path = cache.cached("organisms", "0a1b", build, tmp_path)
    assert path == tmp_path / "organisms" / "0a1b"
    assert cache.cached("organisms", "0a1b", must_not_build, tmp_path) == path
    assert (path / "model.bin").read_text() == "weights"


def test_a_failing_build_leaves_nothing_and_can_be_tried_again(tmp_path: Path) -> None:
    def fail(directory: Path) -> None:
        build(directory)
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        cache.cached("organisms", "0a1b", fail, tmp_path)
    assert [path.name for path in (tmp_path / "organisms").iterdir()] == [".0a1b.lock"]
    assert (cache.cached("organisms", "0a1b", build, tmp_path) / "model.bin").exists()


def test_a_damaged_entry_is_built_again_and_said_so(tmp_path: Path) -> None:
    path = cache.cached("organisms", "0a1b", build, tmp_path)
    (path / "model.bin").write_text("weight")
    with pytest.warns(UserWarning, match=r"organisms/0a1b is damaged .*: model.bin has 6 bytes, expected 7 bytes"):
        cache.cached("organisms", "0a1b", build, tmp_path)
    assert (path / "model.bin").read_text() == "weights"


def test_two_processes_build_the_same_entry_once(tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from checkpoints import cache
root, me = Path(sys.argv[1]), sys.argv[2]
def build(directory):
    with (root / "builds").open("a") as log:
        log.write(me)
    time.sleep(1)
    (directory / "model.bin").write_text(me)
print((cache.cached("organisms", "0a1b", build, root) / "model.bin").read_text())
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    processes = [subprocess.Popen([*command, me], cwd=ROOT, stdout=subprocess.PIPE, text=True) for me in "AB"]
    found = [process.communicate(timeout=30)[0].strip() for process in processes]
    assert all(process.returncode == 0 for process in processes)
    builder = (tmp_path / "builds").read_text()
    assert builder in ("A", "B")
    assert found == [builder, builder]


def test_the_root_is_the_variable_or_lies_in_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GYGES_CACHE", str(tmp_path))
    assert cache.cached("organisms", "0a1b", build) == tmp_path / "organisms" / "0a1b"
    monkeypatch.delenv("GYGES_CACHE")
    monkeypatch.chdir(tmp_path)
    assert cache.default_root() == ROOT / ".cache" / "gyges"


@pytest.mark.parametrize("word", ["", "a/b", "../x", ".hidden"])
def test_a_name_that_would_leave_the_cache_is_refused(tmp_path: Path, word: str) -> None:
    with pytest.raises(ValueError, match="can't name a cache entry"):
        cache.cached("organisms", word, build, tmp_path)
    with pytest.raises(ValueError, match="can't name a cache entry"):
        cache.cached(word, "0a1b", build, tmp_path)
