"""Escaping of foreign text, such as a model's reply or a folder's name, for a terminal and for a page."""

from __future__ import annotations

import unicodedata

# Controls (also of C1), formats (also those that turn the direction of writing), surrogates, line and paragraph ends.
_ACTS_ON_A_TERMINAL = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

# Embeddings, overrides, isolates and their ends.
_TURNS = {code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}


def with_visible_directions(text: str) -> str:
    """Show characters that turn the direction of writing as escapes.

    Unescaped, they would reorder their neighbours.
    """
    return text.translate(_TURNS)


def printable(text: str) -> str:
    r"""Escape each character that a terminal would act on, newlines and tabs among them: ESC becomes `\x1b`.

    The result is one line. To keep several lines, split the text first and escape line by line.
    """
    return "".join(_escaped(c) if unicodedata.category(c) in _ACTS_ON_A_TERMINAL else c for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
