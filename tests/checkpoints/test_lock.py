"""One writer per run folder, over real processes."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from checkpoints.lock import writer_lock

ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import sys, time
from pathlib import Path
from checkpoints.lock import writer_lock
with writer_lock(Path(sys.argv[1])):
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A second process that holds the lock of tmp_path/run."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_and_told_who_holds_it(tmp_path: Path, holder: subprocess.Popen[bytes]) -> None:
    expected = (
        rf"^run folder {re.escape(str(tmp_path / 'run'))} is in use by process {holder.pid} on "
        rf"{re.escape(socket.gethostname())} \(since 20\d\d-\S+\+00:00\); wait for it or stop it$"
    )
    with pytest.raises(ValueError, match=expected), writer_lock(tmp_path / "run"):
        pass


def test_kill_9_frees_the_lock(tmp_path: Path, holder: subprocess.Popen[bytes]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "run" / "run.lock.json").exists()
    with writer_lock(tmp_path / "run"):
        pass
    assert not (tmp_path / "run" / "run.lock.json").exists()


def test_the_lock_is_free_again_after_an_exception(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), writer_lock(tmp_path):
        raise RuntimeError
    with writer_lock(tmp_path):
        pass


def test_a_second_writer_in_the_same_process_is_refused_too(tmp_path: Path) -> None:
    with writer_lock(tmp_path):
        with pytest.raises(ValueError, match="is in use by process"), writer_lock(tmp_path):
            pass
        with pytest.raises(ValueError, match="is in use by process"), writer_lock(tmp_path):
            pass


def test_an_unreadable_card_still_gives_an_answer(tmp_path: Path) -> None:
    with writer_lock(tmp_path):
        (tmp_path / "run.lock.json").write_text("{")
        with pytest.raises(ValueError, match="is in use by another process;"), writer_lock(tmp_path):
            pass
