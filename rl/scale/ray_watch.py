"""A small process that cleans up after a Ray session, even if the driver is killed.

Two of Ray's agents wait a minute for their dead server before they end, and the session's folder would stay. The watch
ends every process that holds a file of the session open, as all of Ray's processes do with their logs, and removes the
folder. Without /proc, Ray's processes end by themselves.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

WATCH = r"""
import os, shutil, signal, sys
folder, driver = sys.argv[1], sys.argv[2]
sys.stdin.buffer.read()  # until its other end is closed, or gone with the driver
for _ in range(3):  # what is just being started is found the next time
    for pid in filter(str.isdigit, os.listdir("/proc") if os.path.isdir("/proc") else []):
        try:
            files = f"/proc/{pid}/fd"
            held = any(os.readlink(f"{files}/{n}").startswith(f"{folder}/session_") for n in os.listdir(files))
            if held and pid != driver:
                os.kill(int(pid), signal.SIGKILL)
        except OSError:
            pass  # gone meanwhile, or another user's
shutil.rmtree(folder, ignore_errors=True)
"""


@contextmanager
def watched(folder: Path) -> Iterator[None]:
    """End the processes of the Ray session in this folder, and remove the folder, when the block ends."""
    # In a session of its own, so that Ctrl-C doesn't reach it. Isolated (-I, -S), so that it starts in a moment.
    watch = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", WATCH, str(folder.resolve()), str(os.getpid())],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield
    finally:
        assert watch.stdin is not None
        with suppress(OSError):
            watch.stdin.close()
        watch.wait()
