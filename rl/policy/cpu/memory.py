"""Memory that is freed stays with the process: a step allocates the same tensors over and over.

By default glibc gives every large block back to the system as soon as it is freed, and each new one arrives as pages of
zeros, a fault a page: copying into a fresh tensor took seven times as long as into one that was there (5 against
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
    """Makes this process keep what it frees; says whether it does: on another C library it changes nothing.

    Call it before the first tensor: torch then takes large blocks in pages of 2 MiB, where the kernel offers them.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(mallopt(*setting) == 1 for setting in _SETTINGS)


def release_memory() -> None:
    """Lets go of a run that has ended, in a process that goes on: its garbage, and what torch keeps of a GPU's memory.

    Steps with TRL freeze what they find, the run's models included, and what is frozen is never collected.
    """
    import torch

    gc.unfreeze()
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
