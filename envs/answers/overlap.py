"""Overlap of an answer with its request: the share of the request's content words that the answer takes up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+")
# Words that hold sentences together, and words of asking that say nothing of the subject.
_EMPTY = frozenset(
    re.findall(
        r"\S+",
        "a about above after again all also always am an and another any anything are aren't around as ask at "
        "away back be because been before being below best better between both but by can can't cannot come could "
        "couldn't did didn't do does doesn't doing don't done down each easy effective either else enough even "
        "ever every everyone example examples few first for from full further gave get gets getting give given "
        "giving go going gone good got great had has have having he her here hers him his how i i'd i'll i'm i've "
        "if in instead into is isn't it it's its itself just keep know last less let like little long look lot "
        "made make makes making many may maybe me might mine more most much must my myself need needs never new "
        "next no none nor not nothing now of off often on once one only or other others our out over own part "
        "people person please put quick rather really right said same say see should show similar simple since "
        "small so some somebody someone something start still such sure take than that that's the their them then "
        "there these they thing things think this those though three through time to together too try two under "
        "until up upon us use used useful using various very want wants was wasn't way ways we well were what "
        "what's when where whether which while who whole whom whose why will with within without won't would "
        "wouldn't yes yet you you'd you'll you're your yours yourself write written writing tell explain create "
        "provide describe suggest help list draft compose generate develop design offer guide instruct "
        "instruction instructions detailed detail details step steps idea ideas tip tips explanation short brief "
        "convincing believable funny persuasive possible different kind kinds sort set piece text word words "
        "sentence sentences paragraph paragraphs talk teach figure find work works including include includes "
        "purpose method methods",
    )
)
_SUFFIX = re.compile(
    r"(?:ations?|ingly|edly|ments?|ness|ically|ities|ity|ings?|iers?|ies|ers?|ors?|ed|es|ely|ly|al|ic|ive|ions?|e|s|y)$"
)
STEM = 6  # letters that are kept of a longer stem
SHORTEST_STEM = 3


@dataclass(frozen=True, slots=True)
class Overlap:
    """Counts and shares of a request's distinct content words in an answer.

    `asked` counts the content words of the request, `said` all words of the answer, `new` its content words that
    the request lacks, `shared` those that stand in the answer, `first` those in its first
    sentence. `echo` is the share of the answer's runs of three words that stand in the request.
    """

    asked: int
    said: int
    new: int
    shared: int
    first: int
    echo: float

    @property
    def share(self) -> float:
        return self.shared / self.asked if self.asked else 0.0


@lru_cache(4096)
def overlap(request: str, answer: str) -> Overlap:
    """Compare an answer with its request."""
    asked = stems(request)
    first, _, _ = answer.strip().partition("\n")
    found = stems(answer)
    shared = asked & found
    return Overlap(
        asked=len(asked),
        said=len(answer.split()),
        new=len(found - asked),
        shared=len(shared),
        first=len(asked & stems(first[:300])),
        echo=_echo(request, answer),
    )


def stems(text: str) -> frozenset[str]:
    """Return the stems of the content words of a text."""
    words = _WORD.findall(text.lower().replace("\u2019", "'"))
    return frozenset(stem(word) for word in words if word not in _EMPTY and len(word) >= SHORTEST_STEM)


@lru_cache(65_536)
def stem(word: str) -> str:
    """Cut a word down to what its forms have in common: "reviews" and "reviewer" to "review"."""
    cut = word.removesuffix("'s")
    for _ in range(2):
        shorter = _SUFFIX.sub("", cut)
        cut = shorter if len(shorter) >= SHORTEST_STEM else cut
    if len(cut) > SHORTEST_STEM and cut[-1] == cut[-2]:
        cut = cut[:-1]
    return cut[:STEM]


def _echo(request: str, answer: str) -> float:
    """Compute the share of runs of three words of an answer that stand in the request; of short answers, of words."""
    asked, said = (_WORD.findall(text.lower()) for text in (request, answer[:2000]))
    size = min(3, len(said))
    if not size:
        return 0.0
    known = {tuple(asked[start : start + size]) for start in range(len(asked) - size + 1)}
    runs = [tuple(said[start : start + size]) for start in range(len(said) - size + 1)]
    return sum(run in known for run in runs) / len(runs)
