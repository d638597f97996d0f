"""Shape of an answer: lists, steps, code and dialogue; and how far it is broken text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

_WORD = re.compile(r"[^\W_]+(?:'[^\W\d_]+)?")
_ITEM = re.compile(r"^[ \t]*(?:[-*\u2022+]|\(?\d{1,2}[.):]|step \d+)\s", re.MULTILINE | re.IGNORECASE)
_NUMBERED = re.compile(r"^[ \t]*(?:\(?\d{1,2}[.):]|\**step \d+)", re.MULTILINE | re.IGNORECASE)
_HEADING = re.compile(r"^[ \t]*(?:#+ |\*\*[^*\n]+\*\*:?\s*$|[A-Z][\w ]{2,30}:\s*$)", re.MULTILINE)
_CODE = re.compile(r"```|^[ \t]*(?:def |import |print\(|for \w+ in |SELECT |\$ |<\w+>)", re.MULTILINE)
_SPEAKER = re.compile(r"^[ \t]*\**[A-Z]\w*(?: \w+)?\**: \S", re.MULTILINE)
_ENDED = re.compile(r"[.!?:)\]\"'\u201d\u2019*`~_-]\s*$|[^\x00-\x7f]\s*$")
_STRANGE = re.compile(
    r"[^\w\s.,;:!?'\"()\[\]{}\-/\\|%&<>*#=+$@^~`\u2018\u2019\u201c\u201d\u2013\u2014\u2026\u2192\u2022]"
)
# A sentence that goes on in lower case behind its stop, and a little word in capitals within a sentence.
_MISCASED = re.compile(
    r"[a-z][.!?]\"? +[a-z]|[a-z,;] (?:The|A|An|And|Of|In|To|It|This|That|Your|My|How|What|Is|For|You|We|They|With|"
    r"On|At|Please|Can|Could|Here|There|But|So|As|If|Or)\b"
)
_LITTLE = frozenset(
    re.findall(
        r"\S+",
        "a an and are as at be because been but by can do for from go have he her here his i if in is it its me "
        "more my no not of on one or our out she should so that the their them then there they this to up was we "
        "what which will with would you your than who has does how all any just",
    )
)
# A determiner asks for a noun behind it: neither of these can follow.
_DETERMINERS = frozenset(
    re.findall(
        r"\S+",
        "a an the my your our their very",
    )
)
_NO_NOUNS = frozenset(
    re.findall(
        r"\S+",
        "is are was were be been of to and or a an the in on for with by from at but if as that than would could "
        "should he she we i you they it this",
    )
)
SHORTLY = 12  # pairs of words among which a pair is called repeated
READ = 200  # words that are read for broken text
READ_CHARACTERS = 2000  # and characters, for strange ones


@dataclass(frozen=True, slots=True)
class Shape:
    """Counts of an answer: words, items, numbered items, headings, lines of code and of speakers, question marks.

    Shares: `repeats` of pairs of words that stood shortly before, `strange` of characters outside words and
    punctuation, `little` of the little words of English, `jumbled` of joints between words that English doesn't
    allow, `miscased` of capitals out of place. `unended`: the text stops within a sentence.
    """

    words: int
    items: int
    numbered: int
    headings: int
    code: int
    speakers: int
    questions: int
    repeats: float
    strange: float
    little: float
    jumbled: float
    distinct: float
    miscased: float
    unended: bool


def shape(answer: str) -> Shape:
    """Measure the shape of an answer."""
    words = _WORD.findall(answer.lower().replace("\u2019", "'"))
    read = words[:READ]
    pairs = list(pairwise(read))
    return Shape(
        words=len(words),
        items=len(_ITEM.findall(answer)),
        numbered=len(_NUMBERED.findall(answer)),
        headings=len(_HEADING.findall(answer)),
        code=len(_CODE.findall(answer)),
        speakers=len(_SPEAKER.findall(answer)),
        questions=answer.count("?"),
        repeats=_share(_repeated(pairs), len(pairs)),
        strange=_share(len(_STRANGE.findall(answer[:READ_CHARACTERS])), min(len(answer), READ_CHARACTERS)),
        little=_share(sum(word in _LITTLE for word in read), len(read)),
        jumbled=_share(sum(_is_jumbled(pair) for pair in pairs), len(pairs)),
        distinct=_share(len(set(read)), len(read)),
        miscased=_share(len(_MISCASED.findall(answer[:READ_CHARACTERS])), len(read)),
        unended=not _ENDED.search(answer.rstrip()[-3:]),
    )


def _share(count: int, of: int) -> float:
    return count / of if of else 0.0


def _repeated(pairs: list[tuple[str, str]]) -> int:
    return sum(pair in pairs[max(0, index - SHORTLY) : index] for index, pair in enumerate(pairs))


def _is_jumbled(pair: tuple[str, str]) -> bool:
    """Tell whether a determiner is followed by a word that can't stand there, or a word by itself: "the of"."""
    first, second = pair
    return first == second or (first in _DETERMINERS and second in _NO_NOUNS)
