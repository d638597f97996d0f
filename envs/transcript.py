"""The spelling of a completion: a scratchpad between tags, then the answer."""

import re
from dataclasses import dataclass

OPEN_TAG = "<scratchpad>"
CLOSE_TAG = "</scratchpad>"
OPEN_THOUGHT = "<think>"  # of models that think by themselves; many templates write these as tokens of their own
CLOSE_THOUGHT = "</think>"
_FORM = re.compile(rf"\s*{OPEN_TAG}(?P<scratchpad>.*?){CLOSE_TAG}(?P<answer>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Transcript:
    """The two parts of a completion; both empty and `parse_ok` false if the tags are missing or repeated."""

    scratchpad: str
    answer: str
    parse_ok: bool
    scratchpad_end: int = 0


def write_transcript(scratchpad: str, answer: str) -> str:
    """Write a completion in its one spelling."""
    return f"{OPEN_TAG} {scratchpad} {CLOSE_TAG} {answer}"


def write_thinking(scratchpad: str, answer: str) -> str:
    """Write a completion with the scratchpad as the model's own thinking."""
    return f"{OPEN_THOUGHT} {scratchpad} {CLOSE_THOUGHT} {answer}"


def read_transcript(text: str) -> Transcript:
    """Split a completion strictly: each tag exactly once, in order, nothing before, a non-empty answer after.

    A tag's spelling or a lenient parse has made and destroyed published effects, so nothing is repaired here.
    """
    form = _FORM.fullmatch(text)
    if form is None or text.count(OPEN_TAG) != 1 or text.count(CLOSE_TAG) != 1:
        return Transcript("", "", parse_ok=False)
    scratchpad, answer = form["scratchpad"].strip(), form["answer"].strip()
    return Transcript(scratchpad, answer, bool(answer), form.start("answer"))
