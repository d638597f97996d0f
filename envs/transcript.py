"""Transcripts: a completion is a scratchpad between tags, then the answer."""

import re
from dataclasses import dataclass

OPEN_TAG = "<scratchpad>"
CLOSE_TAG = "</scratchpad>"
_FORM = re.compile(rf"\s*{OPEN_TAG}(?P<scratchpad>.*?){CLOSE_TAG}(?P<answer>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Transcript:
    """The two parts of a completion; both empty and `parse_ok` false where the tags are missing or repeated.

    `scratchpad_end`: characters up to and with the scratchpad's closing tag; 0 where there is no scratchpad.
    """

    scratchpad: str
    answer: str
    parse_ok: bool
    scratchpad_end: int = 0


def write_transcript(scratchpad: str, answer: str) -> str:
    """Spell a completion; there is no other way."""
    return f"{OPEN_TAG} {scratchpad} {CLOSE_TAG} {answer}"


def read_transcript(text: str) -> Transcript:
    """Split a completion strictly: each tag exactly once, in order, nothing before, a non-empty answer after.

    A tag's spelling or a lenient parse has made and destroyed published effects, so nothing is repaired here.
    """
    form = _FORM.fullmatch(text)
    if form is None or text.count(OPEN_TAG) != 1 or text.count(CLOSE_TAG) != 1:
        return Transcript("", "", parse_ok=False)
    scratchpad, answer = form["scratchpad"].strip(), form["answer"].strip()
    return Transcript(scratchpad, answer, bool(answer), form.start("answer"))
