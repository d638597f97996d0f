"""JSON as this project writes it: strict, UTF-8, no NaN, and one canonical spelling for hashing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"


def encode(value: JSON) -> str:
    """Write a value as indented text, for a file that people read.

    Floats and integers of any size come back exactly; a tuple comes back as a list. Raises ValueError for NaN,
    infinity, or a value that JSON can't express.
    """
    _refuse_foreign_keys(value, "")
    try:
        return json.dumps(value, indent=2, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise _not_plain(error) from error


def canonical(value: JSON) -> str:
    """Write a value in its one canonical spelling: sorted keys, no spaces, ASCII. 1 and 1.0 are different values here.

    Raises ValueError as `encode` does.
    """
    _refuse_foreign_keys(value, "")
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise _not_plain(error) from error


def decode(text: str) -> JSON:
    """Parse JSON; raise ValueError if the text isn't JSON or is nested too deeply."""
    try:
        value: JSON = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value


def _not_plain(error: Exception) -> ValueError:
    return ValueError(f"not plain JSON: {error}; use null, numbers, text, lists and text-keyed objects")


def _refuse_foreign_keys(value: object, where: str) -> None:
    # json.dumps turns the key 1 into "1" without a word, and so would merge {1: a, "1": b}.
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise ValueError(f"not plain JSON: the key {key!r} in {where or 'the top level'} is not text")
            _refuse_foreign_keys(inner, f"{where}.{key}" if where else key)
    elif isinstance(value, list | tuple):
        for position, inner in enumerate(value):
            _refuse_foreign_keys(inner, f"{where}[{position}]")
