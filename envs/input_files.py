"""Files that people write, and their paths: UTF-8 text and JSON.

Other content is refused in one line.
"""

from __future__ import annotations

import codecs
import json
import shlex
from pathlib import Path
from typing import Any

# UTF-32 comes first: its little-endian mark begins with that of UTF-16.
_OTHER_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def expanded(text: str) -> Path:
    """Replace a leading `~` by the home directory, as a shell does.

    Raises:
        ValueError: an empty path, or the home of a user who doesn't exist.
    """
    if not text:
        raise ValueError("the path is empty: give one, or leave the setting out")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{text}: no home directory is known for it; write the path out") from error


def read_text(path: Path, called: str = "") -> str:
    """Read a UTF-8 file, with or without a byte order mark. `called` names the file's role in errors.

    Raises:
        ValueError: a file that can't be read, or has another encoding; names the file and the command that converts it.
    """
    name = f"{called} {path}".strip()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"can't read {name}: {error.strerror}") from error
    try:
        # Line ends become newlines, as in a file that is opened as text.
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        found, guess = _encoding(content)
        fix = f"iconv -f {guess} -t UTF-8 {shlex.quote(str(path))} > {shlex.quote(f'{path}.utf8')}"
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{name} is not UTF-8 text (byte {content[error.start]:#04x} in line {line}) but {found}: "
            f"save it as UTF-8, as with: {fix}"
        ) from error


def _encoding(content: bytes) -> tuple[str, str]:
    """Guess the encoding of the bytes, in words and by the name that `iconv` gives it."""
    for mark, name in _OTHER_MARKS.items():
        if content.startswith(mark):
            return name, name
    if b"\0" in content[:4096]:
        return "binary, or UTF-16 without a mark", "UTF-16"
    return "perhaps Latin-1", "LATIN1"


def parse_json(text: str) -> Any:
    """Parse JSON that a person wrote.

    Raises:
        json.JSONDecodeError: what isn't JSON.
        ValueError: JSON with a key twice in an object, half a character, thousands of digits, or nested too deeply.
    """
    try:
        value = json.loads(text, object_pairs_hook=_without_repeats)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except UnicodeEncodeError as error:
        raise ValueError(
            f"half a character, \\u{ord(error.object[error.start]):04x}: write the other half as well"
        ) from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {repeated!r} stands twice in one object: leave one of them out")
    return found
