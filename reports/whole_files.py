"""Files written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write beside the target, then rename: a reader sees the old file or the new one, never half of one."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as sink:
            sink.write(content)
        Path(name).chmod(0o644)  # mkstemp makes it private; a report is to be read
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
