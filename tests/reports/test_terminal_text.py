"""A name or a reply can't move the cursor, clear the screen, or make one line into two."""

import json
import re
import sys
import unicodedata

import pytest

from reports.folder import read_run
from reports.pages.page import render_page
from reports.study.cells import study_of
from reports.study.page import render_study
from reports.study.panels import drawing_of
from reports.study.table import table
from reports.terminal_text import printable, with_visible_directions
from tests.reports.conftest import RunWriter


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


TURNED = "run\u202egpj.exe\u2066"


def test_a_name_or_a_reply_cannot_turn_the_writing_on_a_page(write_run: RunWriter) -> None:
    folder = write_run(
        TURNED, last=2, every=2, queries=4, config={"name": TURNED},
        change=lambda episodes: episodes.assign(answer=TURNED), facts={"status": "failed", "reason": TURNED},
    )  # fmt: skip
    runs = [read_run(folder), read_run(write_run("other", last=2, every=2, queries=4))]
    study = study_of(runs)
    for page in (render_page(runs), render_study(drawing_of(study), table(study), b"")):
        body = page[: page.index('<script type="application/json" id="plots">')]
        assert not {"\u202e", "\u2066"} & set(body)
        assert "run\\u202egpj.exe\\u2066" in body
        [plots] = re.findall('id="plots">(.*?)</script>', page)
        assert "run\\u202egpj.exe" in str(json.loads(plots)[0]).replace("\\\\", "\\")
        assert "\u202e" not in "".join(strings(json.loads(plots)))


def strings(value: object) -> list[str]:
    if isinstance(value, dict):
        value = list(value.values())
    return [one for part in value for one in strings(part)] if isinstance(value, list) else [str(value)]


def test_writing_from_right_to_left_stays_as_it_is() -> None:
    assert with_visible_directions("שלום, مرحبا\u200f") == "שלום, مرحبا\u200f"
