"""Deterministic kernels: the same configuration on the same machine gives the same weights, at any number of threads.

Without deterministic kernels, threads add up the gradients of indexed tensors in the order of arrival.
Source: PyTorch's note on reproducibility, https://docs.pytorch.org/docs/stable/notes/randomness.html.
"""

import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from rl.progress import notice

# Builds ignore the run's number of threads: another number changes the last bits of the weights.
BUILD_THREADS = 2
# Whether a kernel of fused attention is enabled, and its switch.
_FUSED = (
    (torch.backends.cuda.flash_sdp_enabled, torch.backends.cuda.enable_flash_sdp),
    (torch.backends.cuda.mem_efficient_sdp_enabled, torch.backends.cuda.enable_mem_efficient_sdp),
    (torch.backends.cuda.cudnn_sdp_enabled, torch.backends.cuda.enable_cudnn_sdp),
)
# Torch's warnings about operations without a deterministic form: most operations, attention, cuBLAS products.
_SAID = re.compile(
    r"(?P<operation>[\w.:<>]+) does not have a deterministic implementation"
    r"|(?P<attention>[\w ]+? [Aa]ttention) defaults to a non-deterministic algorithm"
    r"|not deterministic because it uses (?P<library>\w+)"
)


def settle(threads: int, deterministic: bool = True) -> None:
    """Set the number of threads of this process and torch's choice of kernels.

    Operations without a deterministic form warn and don't raise; `watching` collects their names.
    """
    if deterministic:
        # cuBLAS reads the variable when CUDA starts; without the variable, cuBLAS products differ between streams.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    _fill_uninitialised_memory(False)  # nothing here reads what it hasn't written
    torch.backends.cudnn.benchmark = False
    if torch.cuda.is_available():
        # Fused attention has a deterministic backward pass only if other operations raise, and here they warn.
        for _, enable in _FUSED:
            enable(not deterministic)
    torch.set_num_threads(threads)


def _filled_uninitialised_memory() -> bool:
    return bool(torch.utils.deterministic.fill_uninitialized_memory)  # type: ignore[attr-defined]


def _fill_uninitialised_memory(fill: bool) -> None:
    torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]


@contextmanager
def built_alike() -> Iterator[None]:
    """Settle this process for a build and restore its settings afterwards.

    Operations without a deterministic form are reported: they keep two builds from being alike.
    """
    threads, mode = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    filled, tried = _filled_uninitialised_memory(), torch.backends.cudnn.benchmark
    fused = [enabled() for enabled, _ in _FUSED]
    settle(BUILD_THREADS)
    try:
        with watching(
            lambda operation: notice(f"torch has no deterministic form of {operation}: no two builds are alike")
        ):
            yield
    finally:
        torch.set_num_threads(threads)
        torch.set_deterministic_debug_mode(mode)
        _fill_uninitialised_memory(filled)
        torch.backends.cudnn.benchmark = tried
        for (_, enable), was in zip(_FUSED, fused, strict=True):
            enable(was)


@dataclass
class Watch:
    """Names of the operations that ran without a deterministic form; `heard` is called with each new name."""

    heard: Callable[[str], None] = lambda _: None
    operations: set[str] = field(default_factory=set)

    def note(self, message: str) -> bool:
        """Take the text of a warning; return False if the warning is about something else."""
        found = _SAID.search(message)
        if found is None:
            return False
        operation = next(name for name in found.groups() if name is not None)
        if operation not in self.operations:
            self.operations.add(operation)
            self.heard(operation)
        return True


@contextmanager
def watching(heard: Callable[[str], None] = lambda _: None) -> Iterator[Watch]:
    """Collect the names of the operations without a deterministic form that run in the block."""
    watch = Watch(heard)
    with warnings.catch_warnings():
        warnings.filterwarnings("always", message=r".*(non-|not )?deterministic")
        show = warnings.showwarning

        def keep(message: Any, *rest: Any, **named: Any) -> None:
            if not watch.note(str(message)):
                show(message, *rest, **named)

        warnings.showwarning = keep
        yield watch


def name_operation(operation: str) -> None:
    """Warn that this operation keeps the run from being repeated bit for bit."""
    notice(
        f"torch has no deterministic form of {operation}: this run can't be repeated bit for bit, which its manifest "
        "says under nondeterministic_operations"
    )
