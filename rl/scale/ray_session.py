"""Ray for as long as a block lasts: a private session on loopback, or an existing cluster.

The files named `ray_*.py` are the only ones that import Ray.
"""

import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from rl.progress import notice
from rl.scale.ray_watch import watched

PREFIX = "gyges-ray-"
SOCKET_PATH_BYTES = 103 if sys.platform == "darwin" else 107  # the system's limit
SESSION = "/session_2026-01-31_23-59-59_123456_4194304/sockets/plasma_store"  # the longest path in Ray's folder
OBJECT_STORE_BYTES = 100_000_000  # tasks carry paths and short records: this is near Ray's least
QUIET = {"log_to_driver": False, "logging_level": "ERROR", "namespace": "gyges"}


@contextmanager
def ray_session(workers: int, address: str | None = None, gpus: int | None = None) -> Iterator[Path]:
    """Connect to the cluster at `address`, or start Ray here with `workers` CPUs; yield a private folder.

    The folder lies on this machine and is removed with the block; so is everything that was started. Without an address
    all files of Ray lie in the private folder. Its servers listen on loopback and require a token that only its own
    processes have; there is no dashboard. They end with this process, however it ends.

    Raises:
        ValueError: if no cluster answers at the address.
    """
    # Ray reads these at import, so it is imported below, and never at the top of a file.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")  # hides Ray's own message on a dead worker
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # a task without GPUs: devices stay as they are
    if address is not None:
        require_cluster(address)
    with ExitStack() as stack:
        folder = stack.enter_context(_private_folder())
        if address is None:
            stack.enter_context(watched(folder))
            _start(workers, gpus, folder)
        else:
            _connect(address)
        import ray

        stack.callback(ray.shutdown)
        yield folder


def _start(workers: int, gpus: int | None, folder: Path) -> None:
    # A token of our own: without one Ray writes one into the home folder. Ray reads it once in a process.
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    # Ray's switch for "this machine is the whole cluster", on any system: without it Ray listens on all interfaces,
    # even where the node's address is given as 127.0.0.1.
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    import ray

    ray.init(
        address="local",
        num_cpus=workers,
        num_gpus=gpus,
        include_dashboard=False,
        object_store_memory=OBJECT_STORE_BYTES,
        _node_ip_address="127.0.0.1",
        _temp_dir=str(folder),
        **QUIET,
    )


def require_cluster(address: str) -> None:
    """Refuse an address without a listener, in seconds: Ray itself would try for a quarter of an hour.

    Raises:
        ValueError: for an address that isn't HOST:PORT, or where nobody listens.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or "/" in host:
        raise ValueError(f"{address} is no address of a Ray cluster: write HOST:PORT, the port of its head node")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise ValueError(_absent(address)) from error


def _absent(address: str) -> str:
    return f"no Ray cluster answers at {address}: start one with `ray start --head`, or leave out --address"


def _connect(address: str) -> None:
    import ray

    try:
        ray.init(address=address, **QUIET)
    except (ConnectionError, RuntimeError) as error:
        raise ValueError(_absent(address)) from error


def _short_root() -> Path:
    """Choose the folder for temporary files: the default, or another if its socket paths would be too long.

    Raises:
        ValueError: if no folder has a path that is short enough.
    """
    room = SOCKET_PATH_BYTES - len(f"/{PREFIX}12345678") - len(SESSION)
    wanted = Path(tempfile.gettempdir())
    for root in (wanted, Path("/tmp"), Path("/var/tmp")):
        if len(os.fsencode(root)) <= room and os.access(root, os.W_OK | os.X_OK):
            if root != wanted:
                notice(f"the path of TMPDIR={wanted} is too long for Ray's sockets: they lie in {root}")
            return root
    raise ValueError(
        f"the path of TMPDIR={wanted} is too long for Ray's sockets, and neither /tmp nor /var/tmp can be written: set "
        f"TMPDIR to a folder whose path has at most {room} bytes"
    )


@contextmanager
def _private_folder() -> Iterator[Path]:
    """Create a folder for Ray's files, and remove it with the block.

    Folders whose owner was killed are removed as well. The folder lies among temporary files and not in a run folder,
    because paths of Unix sockets are limited to about a hundred characters.

    Raises:
        ValueError: if no folder for temporary files has a path that is short enough.
    """
    root = _short_root()
    # Only folders with a lock: a folder that another process is just creating has none yet.
    for lock in root.glob(f"{PREFIX}*/owner.lock"):
        with suppress(Timeout, OSError), FileLock(lock, timeout=0):
            shutil.rmtree(lock.parent, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
    with FileLock(folder / "owner.lock"):
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
