"""Sweep workers on this machine without Ray: warm processes, one pebble pool of one process a slot.

With a pool each, a slot keeps its GPU, a killed worker holds no lock that another waits for, and each worker can be
told to stop. A worker gets orders through a pipe. The pipe's end tells the worker that the driver is gone, however the
driver ended.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, final

from pebble import ProcessExpired, ProcessPool

STOP = b"stop"


@dataclass
class _Slot:
    """One worker, started with its first job; a new worker replaces it after a death."""

    gpu: str | None
    log: Path
    pool: ProcessPool | None = None
    orders: Connection | None = None
    future: "Future[Any]" = field(default_factory=lambda: _done())

    def submit(self, work: Any) -> "Future[Any]":
        if self.pool is None or not self.pool.active or self.future.exception() is not None:
            self.close()
            self._open()
        assert self.pool is not None
        self.future = self.pool.schedule(work)
        return self.future

    def _open(self) -> None:
        context = multiprocessing.get_context("spawn")  # a forked child can't use CUDA, nor torch's threads
        hears, self.orders = context.Pipe(duplex=False)
        self.pool = ProcessPool(
            max_workers=1, initializer=_begin, initargs=(hears, self.gpu, self.log), context=context
        )

    def order(self, order: bytes) -> None:
        if self.orders is not None and not self.future.done():
            with suppress(OSError):
                self.orders.send_bytes(order)

    def close(self) -> None:
        """End the worker at once, even in the middle of a job."""
        if self.pool is None or self.orders is None:
            return
        self.pool.stop()
        self.orders.close()
        self.pool.join()
        self.pool = self.orders = None


def _done() -> "Future[Any]":
    future: Future[Any] = Future()
    future.set_result(None)
    return future


@final
class LocalWorkers:
    """Workers on this machine, one a slot."""

    def __init__(self, gpus: list[str | None], log: Path) -> None:
        self.slots = [_Slot(gpu, log) for gpu in gpus]

    @property
    def count(self) -> int:
        return len(self.slots)

    def submit(self, work: Any) -> "Future[Any]":
        return next(slot for slot in self.slots if slot.future.done()).submit(work)

    def death(self, error: BaseException) -> str | None:
        if isinstance(error, ProcessExpired):
            code = int(error.exitcode)
            return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return "it ended while idle" if isinstance(error, BrokenProcessPool) else None

    def stop(self) -> None:
        for slot in self.slots:
            slot.order(STOP)

    def kill(self) -> None:
        for slot in self.slots:
            slot.close()


@contextmanager
def local_workers(count: int, gpus: int, log: Path) -> Iterator[LocalWorkers]:
    """Start workers and end them with the block.

    GPUs are dealt in turn. Output of workers between jobs goes to `log`.
    """
    workers = LocalWorkers(deal_gpus(count, gpus, os.environ.get("CUDA_VISIBLE_DEVICES")), log)
    try:
        yield workers
    finally:
        workers.kill()


def deal_gpus(workers: int, gpus: int, visible: str | None) -> list[str | None]:
    """Choose the CUDA_VISIBLE_DEVICES of each worker, one GPU each in turn.

    Without GPUs it is None, which leaves the variable as it is.
    """
    if gpus == 0:
        return [None] * workers
    names = visible.split(",") if visible else [str(number) for number in range(gpus)]
    return [names[worker % gpus].strip() for worker in range(workers)]


def _begin(orders: Connection, gpu: str | None, log: Path) -> None:
    """Initialise a new worker.

    It is cut off from the terminal and ends with its driver.
    """
    os.setsid()  # Ctrl-C at the terminal is for the driver alone
    threading.Thread(target=_obey, args=(orders,), daemon=True).start()
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for descriptor in (1, 2):
        os.dup2(file, descriptor)
    os.close(file)
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu


def _obey(orders: Connection) -> None:
    while True:
        try:
            order = orders.recv_bytes()
        except (EOFError, OSError):
            os.kill(os.getpid(), signal.SIGKILL)
            raise  # never reached: the process is gone
        if order == STOP:
            os.kill(os.getpid(), signal.SIGTERM)
