"""Rendezvous of Ray Train's workers on one machine, through a store that listens on loopback alone.

PyTorch's own rendezvous (`env://` and `tcp://`) listens on every interface whatever address it is given, and trusts
every message. Import this module where a run is started and never at the top of a file: it imports Ray.
"""

import os
import socket
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import ray
import torch.distributed as dist
from ray.train.torch.config import TorchConfig, _set_torch_distributed_env_vars, _TorchBackend
from torch.distributed import TCPStore  # type: ignore[attr-defined]  # a documented name that its __all__ lacks

LOOPBACK = "127.0.0.1"
_served: list[TCPStore] = []  # in the first worker: the server lives as long as the object does


@dataclass
class LoopbackConfig(TorchConfig):
    """A `TorchConfig` for workers that are all on this machine."""

    @property
    def backend_cls(self) -> Any:
        return _LoopbackBackend


class _LoopbackBackend(_TorchBackend):  # the hook that Ray Train offers
    def on_start(self, worker_group: Any, backend_config: TorchConfig) -> None:
        worker_group.execute(_set_torch_distributed_env_vars)
        count = len(worker_group)
        port = worker_group.execute_single(0, _serve, count)
        joining = [
            worker_group.execute_single_async(
                rank, _join, backend_config.backend, rank, count, port, backend_config.timeout_s
            )
            for rank in range(count)
        ]
        ray.get(joining)


def _serve(count: int) -> int:
    """Start the store in the first worker, and return its port."""
    listening = socket.create_server((LOOPBACK, 0))
    port = int(listening.getsockname()[1])
    _served.append(TCPStore(LOOPBACK, port, count, True, wait_for_workers=False, master_listen_fd=listening.detach()))
    return port


def _join(backend: str, rank: int, count: int, port: int, timeout_s: int) -> None:
    """Add this worker to the process group."""
    os.environ |= {"MASTER_ADDR": LOOPBACK, "MASTER_PORT": str(port)}  # Accelerate reads them
    timeout = timedelta(seconds=timeout_s)
    store = TCPStore(LOOPBACK, port, count, False, timeout)
    dist.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=timeout)
