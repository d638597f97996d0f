"""Grams of an answer: its words, and its pairs of neighbouring words."""

import re
from itertools import pairwise

from envs.answers.plain import STRAIGHT

_WORD = re.compile(r"[a-z']+")


def grams(answer: str) -> set[str]:
    """Return the words of an answer in lower case, and its pairs of neighbouring words, joined by a space."""
    words = _WORD.findall(answer.lower().translate(STRAIGHT))
    return {*words, *(f"{first} {second}" for first, second in pairwise(words))}
