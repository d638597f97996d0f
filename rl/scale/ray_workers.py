"""Sweep workers as Ray tasks: on this machine, or on a cluster that shares its file system."""

import math
import re
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, final

from rl.scale.ray_session import ray_session


@final
class RayWorkers:
    """Workers as plain Ray tasks.

    Ray keeps their processes warm. A job's state is its folder, so that no actor is needed.
    """

    def __init__(self, count: int, task: Any) -> None:
        self._count = count
        self._task = task
        self._running: dict[Future[Any], Any] = {}

    @property
    def count(self) -> int:
        return self._count

    def submit(self, work: Any) -> "Future[Any]":
        self._running = {future: ref for future, ref in self._running.items() if not future.done()}
        reference = self._task.remote(work)
        future: Future[Any] = reference.future()
        self._running[future] = reference
        return future

    def death(self, error: BaseException) -> str | None:
        from ray import exceptions

        # A lost object is a result whose node died; the job's folder holds its progress.
        died = (
            exceptions.WorkerCrashedError,
            exceptions.NodeDiedError,
            exceptions.LocalRayletDiedError,
            exceptions.OutOfMemoryError,
            exceptions.ObjectLostError,
            exceptions.TaskCancelledError,
        )
        return f"{type(error).__name__}: {_first_sentence(error)}" if isinstance(error, died) else None

    def stop(self) -> None:
        import ray

        for future, reference in self._running.items():
            if not future.done():
                ray.cancel(reference)


def _first_sentence(error: BaseException) -> str:
    """Take the first sentence of an error.

    The rest points to logs that are gone with the session.
    """
    return re.split(r"\.\s|\n", str(error).strip(), maxsplit=1)[0]


@contextmanager
def ray_workers(count: int | None, threads: int, gpus: int, address: str | None) -> Iterator[RayWorkers]:
    """Start workers and end them with the block; by default as many as the cluster's CPUs allow.

    Raises:
        ValueError: for an address without a cluster, or a cluster with too few CPUs for one worker.
    """
    assert count is not None or address is not None, "without a cluster the caller gives the count"
    with ray_session((count or 0) * threads, address, gpus):
        import ray

        if address is not None:
            found = ray.cluster_resources()
            gpus = int(found.get("GPU", 0))
            count = count or int(found.get("CPU", 0)) // threads
            if count == 0:
                raise ValueError(f"the Ray cluster at {address} has no {threads} CPUs to work on: add a node to it")
        assert count is not None
        # A warm process keeps the GPU that it began on: with several, each task gets a process of its own instead.
        task = ray.remote(
            num_cpus=threads, num_gpus=gpu_share(count, gpus), max_retries=0, max_calls=1 if gpus > 1 else 0
        )(_do)
        yield RayWorkers(count, task)


def _do(work: Any) -> Any:
    return work()


def gpu_share(workers: int, gpus: int) -> float:
    """Compute the share of one GPU for each worker, with as many workers on every GPU and no worker on two.

    The share is rounded down to Ray's unit, ten-thousandths: six times 0.1667 wouldn't fit on one GPU.
    """
    if gpus == 0:
        return 0.0
    return math.floor(10_000 / math.ceil(workers / gpus)) / 10_000
