"""Text from outside, such as a model's reply or a folder's name, as a terminal may be given it."""

from __future__ import annotations

import unicodedata

# Controls (also of C1), formats (also those that turn the direction of writing), surrogates, line and paragraph ends.
_ACTS_ON_A_TERMINAL = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def printable(text: str) -> str:
    r"""Escape each character that a terminal would act on, newlines and tabs among them: ESC becomes `\x1b`.

    The result is one line. Text that is to stay several lines is split first and escaped line by line.
    """
    return "".join(_escaped(c) if unicodedata.category(c) in _ACTS_ON_A_TERMINAL else c for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
