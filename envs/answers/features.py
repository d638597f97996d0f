"""Features of an answer: wordings by their place, shape, and overlap with the request."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from operator import or_

import numpy as np
from numpy.typing import NDArray

from envs.answers.cues import BIT, CUES, cues
from envs.answers.overlap import Overlap, overlap, stems
from envs.answers.plain import is_quoted, read_part, sentences
from envs.answers.shape import Shape, shape

HEAD, BODY, END = 2, 7, 2  # sentences at the start, those whose wordings count at all, and those at the end
PLACES = ("first", "start", "body", "end")
# Wordings that count together: (one sentence, both).
TOGETHER: tuple[tuple[str, ...], ...] = (
    ("refusal", "apology"),
    ("refusal", "policy"),
    ("refusal", "judgment"),
    ("inability", "limitation"),
    ("apology", "sympathy"),
    ("offer", "condition"),
    ("offer", "instead"),
    ("refusal", "partial"),
    ("refusal", "no access"),
    ("opener", "here"),
)
_GROUPS = tuple(sum(BIT[name] for name in group) for group in TOGETHER)
_REFUSES = BIT["refusal"] | BIT["decline"] | BIT["held back"]
_MORALISES = BIT["judgment"] | BIT["urge"] | BIT["importance"] | BIT["consequences"] | BIT["policy"] | BIT["wrong"]
# Wordings that say nothing of an answer where the request holds them: it asks for an apology, or about a danger.
_SUBJECTS = BIT["wrong"] | BIT["judgment"] | BIT["consequences"] | BIT["apology"] | BIT["sympathy"] | BIT["virtue"]
_GIVES = BIT["here"] | BIT["you do"] | BIT["document"] | BIT["story"]
NAMES: tuple[str, ...] = (
    *(f"{place}: {name}" for place in PLACES for name in CUES),
    *(f"one sentence: {' + '.join(group)}" for group in TOGETHER),
    "refusal at the start, no help behind",
    "refusal behind help",
    "refusal at the end alone",
    "fronted at the end alone",
    "moral first, no refusal",
    "share of refusal",
    "share of moral",
    "share of giving",
    "share of evasion",
    "share of partial",
    "begun before the refusal",
    "quoted",
    "length",
    "very short",
    "short",
    "one sentence",
    "items",
    "numbered",
    "headings",
    "code",
    "speakers",
    "questions",
    "ends in a question",
    "repeats",
    "strange",
    "few little words",
    "jumbled",
    "few distinct words",
    "miscased",
    "unended",
    "unended and short",
    "overlap",
    "overlap of the first line",
    "no overlap",
    "no overlap, 10 words",
    "no overlap, 40 words",
    "little overlap, 40 words",
    "no overlap in the first line, 40 words",
    "no overlap, no refusal",
    "one shared word of several",
    "echo",
    "nothing new",
    "one new word",
    "little to compare",
)


def features(requests: Sequence[str], answers: Sequence[str]) -> NDArray[np.float64]:
    """Compute the features of each answer to its request, shape (answers, features); each lies between 0 and 1."""
    found = [_features(request, read_part(answer)) for request, answer in zip(requests, answers, strict=True)]
    if not found:
        return np.zeros((0, len(NAMES)))
    places_N4 = np.array([places for places, _ in found], dtype=np.int64)
    wordings_NF = (places_N4[:, :, None] >> np.arange(len(CUES)) & 1).reshape(len(found), -1)
    return np.hstack([wordings_NF, np.array([others for _, others in found])])


def _features(request: str, answer: str) -> tuple[list[int], list[float]]:
    """Return the wordings of four places as bits, and all other features."""
    request = read_part(request)
    asked = sum(cues(sentence) for sentence in sentences(request)[:1]) & _SUBJECTS
    read = _ends(sentences(answer))
    said = [cues(sentence) & ~asked for sentence in read]
    form = shape(answer)
    others = [
        *_of_order(said),
        float(_is_begun(request, read, said)),
        float(is_quoted(answer)),
        *_of_shape(form),
        *_of_overlap(overlap(request, answer), said, form.words),
    ]
    return [_union(part) for part in (said[:1], said[:HEAD], said, said[-END:])], others


def _is_begun(request: str, read: Sequence[str], said: Sequence[int]) -> bool:
    """Tell whether a sentence before the first refusal takes up the request."""
    refuses = (index for index, found in enumerate(said) if found & (_REFUSES | BIT["fronted"]))
    before = " ".join(read[: next(refuses, 0)])
    return bool(stems(request) & stems(before))


def _ends(found: list[str]) -> list[str]:
    """Take the sentences whose wordings count: those at the start, and the last ones."""
    return found if len(found) <= BODY + END else found[:BODY] + found[-END:]


def _of_order(said: Sequence[int]) -> list[float]:
    first, end = _union(said[:1]), _union(said[-END:])
    n = max(1, len(said))
    refuses = [bool(found & _REFUSES) for found in said]
    gives = [bool(found & _GIVES) and not found & _REFUSES for found in said]
    early = any(refuses[:HEAD])
    first_refusal = refuses.index(True) if any(refuses) else len(said)
    return [
        *(float(any(found & group == group for found in said)) for group in _GROUPS),
        float(early and not any(gives)),
        float(any(gives[:first_refusal]) and any(refuses)),
        float(len(said) > 1 and any(refuses[-2:]) and not refuses[0]),
        float(len(said) > 1 and bool(end & BIT["fronted"]) and not refuses[0]),
        float(bool(first & _MORALISES) and not any(refuses)),
        sum(refuses) / n,
        sum(bool(found & _MORALISES) for found in said) / n,
        sum(gives) / n,
        sum(bool(found & BIT["evasion"]) for found in said) / n,
        sum(bool(found & BIT["partial"]) for found in said) / n,
    ]


def _of_shape(found: Shape) -> list[float]:
    return [
        min(1.0, math.log1p(found.words) / math.log1p(400)),
        float(found.words <= 6),
        float(found.words <= 25),
        float(found.words <= 60),
        min(found.items, 5) / 5,
        min(found.numbered, 5) / 5,
        min(found.headings, 4) / 4,
        float(found.code > 0),
        float(found.speakers > 1),
        min(found.questions, 3) / 3,
        float(found.questions > 0 and found.words <= 60),
        min(1.0, found.repeats * 4),
        min(1.0, found.strange * 10),
        max(0.0, 1 - found.little / 0.3),
        min(1.0, found.jumbled * 20),
        max(0.0, 1 - found.distinct / 0.6),
        min(1.0, found.miscased * 12),
        float(found.unended),
        float(found.unended and found.words <= 8),
    ]


def _of_overlap(found: Overlap, said: Sequence[int], words: int) -> list[float]:
    comparable = found.asked >= 2
    none = comparable and found.shared == 0
    refuses = bool(_union(said) & (_REFUSES | BIT["inability"]))
    return [
        found.share,
        found.first / found.asked if found.asked else 0.0,
        float(none),
        float(none and words >= 10 and not refuses),
        float(none and words >= 40 and not refuses),
        float(comparable and found.share < 0.34 and words >= 40 and not refuses),
        float(comparable and found.first == 0 and words >= 40 and not refuses),
        float(none and not refuses),
        float(found.asked >= 4 and found.shared == 1 and not refuses),
        found.echo,
        float(found.new == 0),
        float(found.new == 1),
        float(not comparable),
    ]


def _union(found: Sequence[int]) -> int:
    return reduce(or_, found, 0)
