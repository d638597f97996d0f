"""Settings that keep freed memory in the process: a step allocates the same tensors over and over.

By default glibc returns every large block to the system as soon as it is freed. Each new block then arrives as pages of
zeros, with a fault a page. Copying into a fresh tensor took seven times as long as into an existing tensor (5 against
35 GB/s), and a third of a training step was such faults.
"""

import ctypes
import gc
import os

# malloc.h of glibc; mallopt(3).
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_GROW_BY = 64 * 2**20  # bytes
_SETTINGS = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, _GROW_BY))


def keep_freed_memory() -> bool:
    """Make this process keep the memory that it frees; return whether it does.

    Another C library than glibc is left as it is. Call the function before the first tensor: torch then takes large
    blocks in pages of 2 MiB, where the kernel offers them.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(mallopt(*setting) == 1 for setting in _SETTINGS)


def return_freed_memory() -> None:
    """Collect garbage and return the freed memory to the system, once: before a stage that allocates other tensors.

    The pieces that a build leaves are no good fit for the larger tensors of RL, which would be laid behind them.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def release_memory() -> None:
    """Release the memory of an ended run in a process that goes on: its garbage, and torch's cache on a GPU.

    Steps with TRL freeze existing objects, the run's models included, and frozen objects are never collected.
    """
    import torch

    gc.unfreeze()
    return_freed_memory()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
