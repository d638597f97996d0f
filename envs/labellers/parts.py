"""The scratchpad and the answer in a completion under any usual tags; a lenient reading, for labelled files alone."""

import re

_TAGS = r"(?:scratchpad\w*|think\w*|reasoning)"
_CLOSED = re.compile(rf"<{_TAGS}>(?P<scratchpad>.*)</{_TAGS}>(?P<answer>.*)", re.DOTALL | re.IGNORECASE)
_OPENED_IN_PROMPT = re.compile(rf"(?P<scratchpad>.*)</{_TAGS}>(?P<answer>.*)", re.DOTALL | re.IGNORECASE)
_NEVER_CLOSED = re.compile(rf"<{_TAGS}>(?P<scratchpad>.*)(?P<answer>)", re.DOTALL | re.IGNORECASE)


def scratchpad_of(text: str) -> str:
    """Return the text between scratchpad tags, or the whole text without tags."""
    found = _parts(text)
    return text.strip() if found is None else found["scratchpad"].strip()


def answer_of(text: str) -> str:
    """Return the text behind the scratchpad, or the whole text without tags."""
    found = _parts(text)
    return text.strip() if found is None else found["answer"].strip()


def _parts(text: str) -> re.Match[str] | None:
    return _CLOSED.search(text) or _OPENED_IN_PROMPT.match(text) or _NEVER_CLOSED.search(text)
