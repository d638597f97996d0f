"""Memory that is freed stays with the process: a step allocates the same tensors over and over.

By default glibc gives every large block back to the system as soon as it is freed, and each new one arrives as pages of
zeros, a fault a page: copying into a fresh tensor took seven times as long as into one that was there (5 against
35 GB/s), and a third of a training step was such faults.
"""

import ctypes

# malloc.h of glibc; mallopt(3).
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_GROW_BY = 64 * 2**20  # bytes


def keep_freed_memory() -> bool:
    """Makes this process keep what it frees; says whether it does: on another C library it changes nothing."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all(
        mallopt(*setting) == 1 for setting in ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, _GROW_BY))
    )
