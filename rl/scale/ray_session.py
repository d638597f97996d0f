"""Ray for as long as a block lasts: private, on loopback, and gone afterwards; or a cluster that is there already.

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
SESSION = "/session_2026-01-31_23-59-59_123456_4194304/sockets/plasma_store"  # the longest that Ray adds to its folder
OBJECT_STORE_BYTES = 100_000_000  # tasks carry paths and short records: this is near Ray's least
QUIET = {"log_to_driver": False, "logging_level": "ERROR", "namespace": "gyges"}


@contextmanager
def ray_session(workers: int, address: str | None = None, gpus: int | None = None) -> Iterator[Path]:
    """Connects to the cluster at `address`, or starts Ray here with `workers` CPUs; takes down what it started.

    Yields a private folder of this machine, which is removed afterwards.

    Without an address everything that Ray writes lies in a private folder, which is removed; its servers listen on
    loopback and want a token that only its own processes have; there is no dashboard. They end with this process,
    however it ends.

    Raises:
        ValueError: if no cluster answers at the address.
    """
    # What Ray reads when it is imported: so it is imported here, and nowhere at the top of a file.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")  # Ray's own word on a dead worker: we have ours
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
    # Ray's switch for "this machine is the whole cluster", whatever the system: without it all interfaces are listened
    # on, even where the node's address is given as 127.0.0.1.
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
    """Refuses an address at which nothing answers, in seconds: Ray itself would try for a quarter of an hour.

    Raises:
        ValueError: what isn't HOST:PORT, and where nobody listens.
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
    """The folder for temporary files, or another of the system's where the path of a socket in it would be too long."""
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
    """A folder for Ray's files that ends with the block, and the end of those whose owner was killed.

    It lies where temporary files do and not in a run folder: the paths of Unix sockets hold about a hundred characters.

    Raises:
        ValueError: if no folder for temporary files has a path that is short enough.
    """
    root = _short_root()
    # Only what has been somebody's: a folder that another process is just making has no lock yet.
    for lock in root.glob(f"{PREFIX}*/owner.lock"):
        with suppress(Timeout, OSError), FileLock(lock, timeout=0):
            shutil.rmtree(lock.parent, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
    with FileLock(folder / "owner.lock"):
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
