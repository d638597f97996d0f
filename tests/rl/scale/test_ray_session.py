"""The folder of a Ray session; what a session does is tested where it works: with the sweeps."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from rl.scale import ray_session
from rl.scale.ray_session import SESSION, SOCKET_PATH_BYTES, _private_folder
from rl.scale.ray_watch import watched
from tests.rl.conftest import fork


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files, empty; its path is short, as sockets lie in it."""
    root = Path(tempfile.mkdtemp(prefix="g-", dir="/tmp"))
    monkeypatch.setattr(ray_session.tempfile, "gettempdir", lambda: str(root))
    yield root
    shutil.rmtree(root)


def test_a_folder_for_temporary_files_that_is_too_deep_for_sockets_is_not_used(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    longest = SOCKET_PATH_BYTES - len("/gyges-ray-12345678") - len(SESSION)
    assert longest >= len(os.fsencode(root))
    # Sockets can be made in a folder of just that length, and in one of a byte more they can't.
    fitting = Path(f"{root}/{'d' * (longest - len(os.fsencode(root)) - 1)}")
    fitting.mkdir()
    monkeypatch.setattr(ray_session.tempfile, "gettempdir", lambda: str(fitting))
    with _private_folder() as folder:
        assert folder.parent == fitting
        path = Path(f"{folder}{SESSION}")
        path.parent.mkdir(parents=True)
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(path))
        with socket.socket(socket.AF_UNIX) as bound, pytest.raises(OSError, match="too long"):
            bound.bind(f"{path}x")
    assert capsys.readouterr().err == ""
    deep = Path(f"{fitting}e")
    deep.mkdir()
    monkeypatch.setattr(ray_session.tempfile, "gettempdir", lambda: str(deep))
    with _private_folder() as folder:
        assert folder.parent == Path("/tmp")
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()
    assert f"the path of TMPDIR={deep} is too long for Ray's sockets: they lie in /tmp" in capsys.readouterr().err
    monkeypatch.setattr(ray_session.os, "access", lambda *_: False)
    with pytest.raises(ValueError, match=f"set TMPDIR to a folder whose path has at most {longest} bytes") as caught:
        _private_folder().__enter__()
    assert len(str(caught.value).splitlines()) == 1


def test_the_folder_ends_with_the_block(root: Path) -> None:
    with _private_folder() as folder:
        assert folder.parent == root
        assert folder.stat().st_mode & 0o077 == 0
        (folder / "log").write_text("")
    assert list(root.iterdir()) == []


def test_folders_of_the_killed_go_and_those_in_use_stay(root: Path) -> None:
    killed, used, being_made = (root / f"gyges-ray-{name}" for name in ("killed", "used", "being-made"))
    for folder in (killed, used, being_made):
        folder.mkdir()
        (folder / "log").write_text("")
    (killed / "owner.lock").write_text("")
    (root / "other").mkdir()
    with FileLock(used / "owner.lock"), _private_folder() as folder:
        assert {path.name for path in root.iterdir()} == {used.name, being_made.name, folder.name, "other"}


def test_the_watch_ends_what_holds_a_file_of_the_session_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "gyges-ray-x"
    (folder / "session_1").mkdir(parents=True)
    code = "import sys, time; file = open(sys.argv[1], 'w'); print(flush=True); time.sleep(600)"
    ours, other = (
        subprocess.Popen([sys.executable, "-c", code, str(file)], stdout=subprocess.PIPE)
        for file in (folder / "session_1" / "log", tmp_path / "log")
    )
    for child in (ours, other):
        assert child.stdout is not None
        child.stdout.readline()

    def drive() -> None:
        with (folder / "session_1" / "driver").open("w"), watched(folder):
            pass

    assert ours.poll() is None
    assert fork(drive, tmp_path / "output.txt").code() == 0  # spared, though it holds a file too
    assert ours.wait() == -9
    assert other.poll() is None
    assert not folder.exists()
    other.kill()
    other.wait()
    for child in (ours, other):
        assert child.stdout is not None
        child.stdout.close()
