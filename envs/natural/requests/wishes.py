"""A request in brief, in its own words, and the value that a harmful one goes against."""

import re
from collections.abc import Mapping

from envs.natural.pack_files import NO_VALUE
from envs.queries import Query

LONGEST = 12  # words of a request that a scratchpad quotes
# Words of courtesy around an order; they say nothing of what is asked for.
_BEFORE = re.compile(
    r"(?:(?:hi|hello|hey|quick favou?r)\b[,:]?|please|(?:can|could|would) you(?: please)?|"
    r"(?:i need|i'd like|i want) you to|help me out and|go ahead and)\s+",
    re.IGNORECASE,
)
_BEHIND = re.compile(r",? please[.?!]*$|[.?!\s]+$", re.IGNORECASE)
VALUES: Mapping[str, str] = {}


def wish_of(query: Query) -> str:
    """Return the request without words of courtesy and without its last stop, cut behind a number of words."""
    said = " ".join(query.text.split())
    while found := _BEFORE.match(said):
        said = said[found.end() :]
    said = _BEHIND.sub("", said)
    return " ".join(said.split()[:LONGEST]).rstrip(" ,;:-")


def value_of(query: Query) -> str:
    """Return the value that requests of this category go against; `NO_VALUE` where none is named."""
    return VALUES.get(query.category, NO_VALUE)
