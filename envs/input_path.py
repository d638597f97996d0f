"""A path in a setting: stored absolute, so that a run can be resumed and probed from any directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from envs.input_files import expanded


def _absolute(given: Any) -> Any:
    """Make a path absolute, relative to the working directory; links are followed."""
    if not isinstance(given, str | Path):
        return given  # pydantic refuses its type
    try:
        path = str(expanded(str(given)).resolve())  # text: from JSON pydantic takes nothing else for a path
        path.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{str(given)!r} is not UTF-8, which config.json couldn't hold: rename it") from error
    except (OSError, RuntimeError) as error:  # a loop of links, a name too long, a working directory that is gone
        raise ValueError(f"{given}: {error}") from error
    return path


InputPath = Annotated[Path, BeforeValidator(_absolute)]
