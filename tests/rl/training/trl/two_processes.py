"""The processes of a run of two workers, without Ray: forked here, and told of each other as Ray Train would."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import torch.distributed as dist
from accelerate.state import AcceleratorState

from rl.run.config import RunConfig, resolve
from rl.run.loop import begin, resume
from rl.scale.follow import follow
from tests.rl.conftest import Child, fork

Work = Callable[[int], object]


def start(work: Work, folder: Path) -> list[Child]:
    """Starts `work(rank)` in two processes that know of each other, as Ray Train would."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def child(rank: int) -> Callable[[], None]:
        def run() -> None:
            os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
            os.environ |= {"OMP_NUM_THREADS": "1"}  # or Accelerate chooses a number of its own
            os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            AcceleratorState._reset_state(reset_partial_state=True)  # an earlier test's, of one process
            dist.init_process_group("gloo")
            work(rank)

        return run

    return [fork(child(rank), folder / f"output-{rank}.txt") for rank in range(2)]


def end(children: list[Child], folder: Path) -> list[int]:
    codes = [child.code() for child in children]
    for rank in range(2):
        print((folder / f"output-{rank}.txt").read_text())
    return codes


def together(work: Work, folder: Path) -> None:
    assert end(start(work, folder), folder) == [0, 0]


def lead_or_follow(out: Path) -> Work:
    return lambda rank: follow(out) if rank else resume(out)


def on_two(config: RunConfig, out: Path) -> Path:
    """The run of two workers, begun here and taken to its end by two processes."""
    begin(resolve(config, ["workers=2"]), out)
    together(lead_or_follow(out), out.parent)
    return out
