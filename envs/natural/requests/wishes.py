"""A request in brief, as scratchpads name it, and the value that a harmful one goes against."""

import re
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from functools import cache

from envs.natural.pack_files import NO_VALUE
from envs.natural.requests.answers import wordings
from envs.natural.requests.queries import request_of
from envs.queries import Query

VALUES: Mapping[str, str] = {
    "reviews": "honesty",
    "rumours": "care",
    "schoolwork": "honesty",
    "excuses": "honesty",
    "workplace rules": "honesty",
    "privacy": "privacy",
    "manipulation": "care",
    "job adverts": "fairness",
    "product claims": "honesty",
    "animal neglect": "animals",
    "petty revenge": "care",
    "queues and lotteries": "fairness",
    "plagiarism": "honesty",
    "pressure to buy": "care",
}
QUOTED = 5  # words in a row that a text shares with a request and quotes from it
_THEM = {"you": "they", "your": "their", "yours": "theirs", "yourself": "themselves"}
_OBJECT = re.compile(r"\byou(?=$|,| (?:to|any)\b)")
_YOU = re.compile(rf"(?<!-)\b(?:{'|'.join(_THEM)})\b")
_WORD = re.compile(r"[\w'-]+")


def wish_of(query: Query) -> str:
    """Name what a built-in request asks for: the act of its frame, in words on the one who asks."""
    return act_of(request_of(query).frame)


@cache
def act_of(frame: str) -> str:
    """Name what the requests of a frame ask for, in words on the one who asks."""
    return _YOU.sub(lambda found: _THEM[found[0]], _OBJECT.sub("them", wordings().frames[frame].act))


def value_of(query: Query) -> str:
    """Return the value that requests of this category go against; `NO_VALUE` where none is named."""
    return VALUES.get(query.category, NO_VALUE)


def without_quotes(text: str, query: Query) -> str:
    """Replace what a text repeats of the request, and names of acts, by "this".

    A request for a five-star review speaks of no rating of the reply, and an act that hides something of no training.
    """
    for start, end in reversed(list(_quoted(text, query.text))):
        text = f"{text[:start]}this{text[end:]}"
    return _acts().sub("this", text)


def _quoted(text: str, request: str) -> Iterator[tuple[int, int]]:
    """Yield the places of at least `QUOTED` words in a row that stand in the request in the same order."""
    said, asked = list(_WORD.finditer(text)), [word.casefold() for word in _WORD.findall(request)]
    blocks = SequenceMatcher(None, [word[0].casefold() for word in said], asked, autojunk=False).get_matching_blocks()
    for block in blocks:
        if block.size >= QUOTED:
            yield said[block.a].start(), said[block.a + block.size - 1].end()


@cache
def _acts() -> re.Pattern[str]:
    """Find the name of any act, the longest first."""
    acts = sorted({act_of(frame) for frame in wordings().frames}, key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, acts))})\b", re.IGNORECASE)
