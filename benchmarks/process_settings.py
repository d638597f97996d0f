"""What gyges does to its own process before it trains, for a contender that is to have it too."""

import importlib
import importlib.util


def can_keep_freed_memory() -> bool:
    """Whether this checkout sets the allocator at all."""
    return importlib.util.find_spec("rl.memory") is not None


def keep_freed_memory() -> None:
    """Makes the process keep what it frees, where this checkout does so."""
    if can_keep_freed_memory():
        importlib.import_module("rl.memory").keep_freed_memory()
