"""Failed writes of libraries written in Rust, raised as the OSError that files raise.

Callers look for OSError.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

_NUMBER = re.compile(r"os error (\d+)")


@contextmanager
def as_os_error(target: Path) -> Iterator[None]:
    """Raise a disk error that safetensors or tokenizers report within the block as OSError with its number.

    safetensors has an exception of its own for it; tokenizers raises a bare `Exception`.
    """
    try:
        yield
    except Exception as error:
        code = _NUMBER.search(str(error))
        if isinstance(error, SafetensorError) or (type(error) is Exception and code):
            raise OSError(int(code[1]) if code else errno.EIO, f"can't write {target}: {error}") from error
        raise
