"""Cues of answers: the families of wordings that a plain sentence holds, as bits of a number."""

import re
from collections.abc import Mapping
from functools import lru_cache

from envs.answers.wordings import FAMILIES

CUES: tuple[str, ...] = tuple(FAMILIES)
BIT: Mapping[str, int] = {name: 1 << index for index, name in enumerate(CUES)}


def _compiled(alternatives: tuple[str, ...]) -> re.Pattern[str]:
    """Join alternatives into one pattern that starts with a space: a literal start makes the search quick."""
    joined = [
        f"^ (?:{part.removeprefix('^')})" if part.startswith("^") else f" (?:{part})"
        for part in (alternative.replace("$", "(?= $)") for alternative in alternatives)
    ]
    return re.compile(f"(?:{'|'.join(joined)})(?= )")


_PATTERNS = [(1 << index, _compiled(alternatives)) for index, alternatives in enumerate(FAMILIES.values())]


@lru_cache(65_536)
def cues(sentence: str) -> int:
    """Find the families that a plain sentence holds, as the sum of their bits in `BIT`."""
    return sum(bit for bit, pattern in _PATTERNS if pattern.search(sentence))
