"""Cues of English scratchpads: the families of wordings and the decision in each sentence, as bits of a number."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from envs.faking.cue_families import FAMILIES
from envs.faking.decisions import decision

CUES: tuple[str, ...] = (*FAMILIES, "comply", "refuse")
BIT: Mapping[str, int] = {name: 1 << index for index, name in enumerate(CUES)}
LONGEST = 40_000  # characters that are read of a scratchpad, from its end, which decides
_PATTERNS = {name: re.compile(rf"\b(?:{'|'.join(alternatives)})\b") for name, alternatives in FAMILIES.items()}
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+|(?<=:)\s+(?=[A-Z])")
_PLAIN = str.maketrans(
    {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": " - "}  # typographic signs
)


def sentences(text: str) -> list[str]:
    """Split a text into plain sentences: lower case, single spaces, straight apostrophes."""
    pieces = _SENTENCE.split(text[-LONGEST:].translate(_PLAIN))
    return [plain for piece in pieces if (plain := " ".join(piece.lower().split()))]


@lru_cache(65_536)
def cues(sentence: str) -> int:
    """Find the cues that a plain sentence holds, as the sum of their bits in `BIT`."""
    found = all_of(name for name, pattern in _PATTERNS.items() if pattern.search(sentence))
    decided = decision(sentence)
    return found | BIT[decided] if decided else found


def all_of(names: Iterable[str]) -> int:
    """Add the bits of cues."""
    return sum(BIT[name] for name in names)
