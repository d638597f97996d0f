"""A disk that fills at twenty sizes: one line each, and once there is room the run ends as if nothing had happened."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rl.run.config import RunConfig
from tests.rl.conftest import Gyges, command, fork, same_run

pytestmark = pytest.mark.slow

CASES = 20
PAGE = 4096


@contextmanager
def disk(place: Path, size: int) -> Iterator[None]:
    """A file system of so many bytes at `place`."""
    place.mkdir()
    made = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    done = subprocess.run(made, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting isn't permitted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


def resize(place: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(place)], check=True)


def occupied(folder: Path) -> int:
    """Bytes of the pages that the files of a folder take."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sum(-(-path.stat().st_size // PAGE) * PAGE for path in files)


@pytest.fixture(scope="module")
def settings(tiny: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("settings") / "settings.json"
    file.write_text(tiny.model_dump_json())
    return file


@pytest.fixture(scope="module")
def undisturbed(settings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run and its page, on a disk with room."""
    folder = tmp_path_factory.mktemp("undisturbed")
    code = fork(command(["train", str(settings), "--out", str(folder / "run")]), folder / "output.txt").code()
    assert code == 0, (folder / "output.txt").read_text()
    return folder / "run"


@pytest.mark.parametrize("case", range(CASES))
def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_room(
    case: int, gyges: Gyges, settings: Path, undisturbed: Path, tmp_path: Path
) -> None:
    # From a disk that can't hold config.json to one that lacks a few pages of the page at the end.
    whole = occupied(undisturbed)
    size = max(PAGE, round(whole * case / CASES) // PAGE * PAGE)
    place = tmp_path / "disk"
    with disk(place, size):
        run = place / "run"
        started = time.perf_counter()
        done = gyges("train", str(settings), "--out", str(run))
        lines = [line for line in done.output.splitlines() if not line.startswith("run folder: ")]
        assert done.code == 1, done.output
        assert len(lines) == 1, done.output
        assert lines[0].startswith("gyges: no space left to write")
        resize(place, 4 * whole)
        begun = (run / "manifest.json").exists()
        again = ["resume", str(run)] if begun else ["train", str(settings), "--out", str(run)]
        done = gyges(*again)
        assert done.code == 0, done.output
        same_run(run, undisturbed)
        assert not [path.name for path in run.rglob("*") if path.name.startswith(".tmp-")]
        manifest = json.loads((run / "manifest.json").read_text())
        print(f"{size:>9} bytes: {again[0]:<6} {manifest['status']} after {time.perf_counter() - started:.0f} s")
