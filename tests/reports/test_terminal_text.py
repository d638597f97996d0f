"""A name or a reply can't move the cursor, clear the screen, or make one line into two."""

import sys
import unicodedata

import pytest

from reports.terminal_text import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("runs/first light-0", "runs/first light-0"),
        ("naïve 中文 🙂 \\x1b", "naïve 中文 🙂 \\x1b"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("a\nb\tc\rd\x07\x08", "a\\nb\\tc\\rd\\x07\\x08"),
        ("\x7f\x9b31m", "\\x7f\\x9b31m"),  # DEL, and the one-character form of ESC [
        ("\u202etxt.exe\u2066", "\\u202etxt.exe\\u2066"),
        ("a\u2028b\u200b", "a\\u2028b\\u200b"),
        ("\ud800\udcff", "\\ud800\\udcff"),  # as Python reads a file name that isn't UTF-8
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_a_terminal_would_act_on_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_every_character_can_be_written_and_is_one_line() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    shown = printable(everything)
    shown.encode()  # no surrogate is left
    assert len(shown.splitlines()) == 1
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs") for c in shown)
    assert printable(shown) == shown
