"""Files and directories appear whole or not at all: under exceptions, a full disk and kill -9."""

import errno
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from checkpoints import atomic

ROOT = Path(__file__).resolve().parents[2]


def start(code: str, *arguments: Path) -> subprocess.Popen[str]:
    """A real second process, which prints a line when it has come as far as the test wants."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def kill_when_ready(process: subprocess.Popen[str]) -> None:
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGKILL)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Every write beyond `size` bytes of a file fails in the kernel, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def write_half_then_fail(final: Path, exception: type[BaseException]) -> None:
    with atomic.new_directory(final) as directory:
        (directory / "a").write_text("half")
        raise exception


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_text_is_written_and_replaced(tmp_path: Path) -> None:
    atomic.write_text(tmp_path / "a.json", "eins")
    atomic.write_text(tmp_path / "a.json", "zwei ü")
    assert (tmp_path / "a.json").read_bytes() == "zwei ü".encode()
    assert names(tmp_path) == ["a.json"]


def test_a_write_that_the_disk_refuses_keeps_the_old_file(tmp_path: Path) -> None:
    atomic.write_bytes(tmp_path / "a.bin", b"old")
    with largest_file(1000), pytest.raises(OSError, match="too large") as caught:
        atomic.write_bytes(tmp_path / "a.bin", bytes(5000))
    assert caught.value.errno == errno.EFBIG
    assert (tmp_path / "a.bin").read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


def test_a_directory_has_no_name_until_it_is_complete(tmp_path: Path) -> None:
    final = tmp_path / "deep" / "final"
    with atomic.new_directory(final) as directory:
        assert directory.parent == final.parent
        assert directory.name.startswith(".tmp-")
        (directory / "sub").mkdir()
        (directory / "sub" / "a").write_text("x")
        assert not final.exists()
    assert (final / "sub" / "a").read_text() == "x"
    assert names(final.parent) == ["final"]


@pytest.mark.parametrize("exception", [RuntimeError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("existed", [False, True])
def test_an_exception_leaves_things_as_they_were(tmp_path: Path, exception: type[BaseException], existed: bool) -> None:
    final = tmp_path / "final"
    if existed:
        final.mkdir()
        (final / "a").write_text("old")

    with pytest.raises(exception):
        write_half_then_fail(final, exception)

    assert names(tmp_path) == (["final"] if existed else [])
    assert not existed or (final / "a").read_text() == "old"


def test_a_full_device_leaves_nothing(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(OSError, match="No space left") as caught, atomic.new_directory(tmp_path / "final"):
        full.write_text("x")
    assert caught.value.errno == errno.ENOSPC
    assert names(tmp_path) == []


def test_a_failing_rename_puts_the_old_directory_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    final = tmp_path / "final"
    final.mkdir()
    (final / "a").write_text("old")
    rename = Path.rename

    def refuse_the_new_one(self: Path, target: Path) -> Path:
        if self.name.startswith(".tmp-") and not self.name.endswith(".old"):
            raise OSError(errno.EIO, "disk gone")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse_the_new_one)
    with pytest.raises(OSError, match="disk gone"), atomic.new_directory(final) as directory:
        (directory / "a").write_text("new")
    assert (final / "a").read_text() == "old"
    assert names(tmp_path) == ["final"]


def test_a_directory_is_replaced_whole(tmp_path: Path) -> None:
    for content in ("old", "new"):
        with atomic.new_directory(tmp_path / "final") as directory:
            (directory / content).write_text(content)
    assert names(tmp_path / "final") == ["new"]
    assert names(tmp_path) == ["final"]


def test_kill_9_in_mid_write_leaves_a_leftover_that_the_next_start_sweeps(tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from checkpoints import atomic
with atomic.new_directory(Path(sys.argv[1]) / "final") as directory:
    (directory / "a").write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""
    kill_when_ready(start(code, tmp_path))
    assert not (tmp_path / "final").exists()
    assert len(names(tmp_path)) == 2  # the temporary and its lock

    assert atomic.sweep_stale(tmp_path) == ["final"]
    assert names(tmp_path) == []


def test_kill_9_between_the_two_renames_of_a_replacement_loses_nothing(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from checkpoints import atomic
final = Path(sys.argv[1]) / "final"
with atomic.new_directory(final) as directory:
    (directory / "a").write_text("old")
rename = Path.rename
def rename_then_die(self, target):
    rename(self, target)
    os.kill(os.getpid(), signal.SIGKILL)
with atomic.new_directory(final) as directory:
    (directory / "a").write_text("new")
    Path.rename = rename_then_die
"""
    with start(code, tmp_path) as process:
        assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "final").exists()

    atomic.sweep_stale(tmp_path)
    assert (tmp_path / "final" / "a").read_text() == "old"
    assert names(tmp_path) == ["final"]


def test_the_sweep_leaves_work_in_progress_and_other_files_alone(tmp_path: Path) -> None:
    (tmp_path / ".tmp-notes").write_text("a user's own")
    with atomic.new_directory(tmp_path / "final") as directory:
        (directory / "a").write_text("x")
        assert atomic.sweep_stale(tmp_path) == []
        assert directory.is_dir()
    assert names(tmp_path) == [".tmp-notes", "final"]


def test_the_sweep_of_a_folder_that_is_not_there_finds_nothing(tmp_path: Path) -> None:
    assert atomic.sweep_stale(tmp_path / "absent") == []


def test_a_directory_is_removed_at_once_and_a_kill_in_between_is_cleared(tmp_path: Path) -> None:
    for name in ("gone", "killed"):
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name / "inner" / "file").write_text("x")
    atomic.remove_directory(tmp_path / "gone")
    assert [path.name for path in tmp_path.iterdir()] == ["killed"]
    code = """
import os, shutil, signal, sys
from pathlib import Path
from checkpoints import atomic
shutil.rmtree = lambda path: os.kill(os.getpid(), signal.SIGKILL)
atomic.remove_directory(Path(sys.argv[1]))
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "killed")], cwd=ROOT, check=False)
    assert not (tmp_path / "killed").exists()
    assert atomic.sweep_stale(tmp_path) == ["killed"]
    assert list(tmp_path.iterdir()) == []
