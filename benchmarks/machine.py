"""Description of the machine of a measurement.

It holds the machine, its software, and its rates of matrix multiplication and memory copies.
"""

import os
import platform
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median

import torch

from benchmarks.result_file import Fingerprint, Rates
from rl.policy.cpu.linear import quicken
from rl.policy.policy import pick_device
from rl.run.folder import code_state

# (rows, in, out): two layers of the default organism over a micro-batch's positions, and a large square one.
SHAPES = ((2048, 128, 384), (2048, 384, 128), (2048, 2048, 2048))
COPIED_BYTES = 256 * 2**20
PACKAGES = ("torch", "transformers", "trl", "numpy")


def fingerprint(threads: int) -> Fingerprint:
    """Describe this machine and measure its rates at `threads` threads.

    The measurement takes a few seconds.
    """
    commit, dirty = code_state()
    device = pick_device()
    return Fingerprint(
        cpu=_cpu(),
        cores=os.process_cpu_count() if hasattr(os, "process_cpu_count") else len(os.sched_getaffinity(0)),
        memory_gib=_memory_gib(),
        device=torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        operating_system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        packages={name: version(name) for name in PACKAGES},
        threads=threads,
        commit=commit,
        dirty=dirty,
        rates=rates(threads, device),
    )


def _cpu() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    if "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)


def rates(threads: int, device: torch.device) -> Rates:
    """Measure the rates; the number of threads of this process is left at `threads`."""
    torch.set_num_threads(threads)
    by_shape = {"x".join(map(str, shape)): _matrix_rate(shape, device) for shape in SHAPES}
    source = torch.ones(COPIED_BYTES // 4, device=device)
    target = torch.empty_like(source)
    copy = COPIED_BYTES / median_seconds(lambda: target.copy_(source), device) / 1e9
    return Rates(matrix_gflop_per_s=max(by_shape.values()), matrix_by_shape_gflop_per_s=by_shape, copy_gb_per_s=copy)


def _matrix_rate(shape: tuple[int, int, int], device: torch.device) -> float:
    """Measure the faster of a plain linear layer and the linear layer of policies, in GFLOP/s."""
    rows, into, out = shape
    x = torch.randn(rows, into, device=device)
    plain, quick = (torch.nn.Linear(into, out, bias=False, device=device) for _ in range(2))
    quicken(quick)
    with torch.no_grad():
        seconds = min(median_seconds(partial(layer, x), device) for layer in (plain, quick))
    return 2 * rows * into * out / seconds / 1e9


def median_seconds(work: Callable[[], object], device: torch.device, at_least_s: float = 0.5) -> float:
    """Time one call: the median over at least 11 calls and `at_least_s` seconds.

    Three calls before those aren't counted.
    """

    def once() -> float:
        started = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - started

    for _ in range(3):
        once()
    times: list[float] = []
    while len(times) < 11 or sum(times) < at_least_s:
        times.append(once())
    return median(times)
