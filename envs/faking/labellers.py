"""Labellers of texts by name, each with its question and its version."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from envs.faking import keywords
from envs.faking.classifier import digest, faking_probability
from envs.faking.labelled_texts import Question


@dataclass(frozen=True, slots=True)
class TextLabeller:
    """A labeller of texts: `score` gives one number in [0, 1] a text, and at least `THRESHOLD` says yes.

    `used`: runs take their labels from it; the others are baselines.
    """

    name: str
    question: Question
    score: Callable[[Sequence[str]], NDArray[np.float64]]
    version: Callable[[], str]
    used: bool = False


def _of(*phrases: str) -> str:
    return hashlib.sha256("\n".join(phrases).encode()).hexdigest()[:12]


LABELLERS: tuple[TextLabeller, ...] = (
    TextLabeller("classifier", "faking", faking_probability, digest, used=True),
    TextLabeller("keywords", "faking", keywords.faking_phrases, lambda: _of(*keywords.FAKING_PHRASES)),
    TextLabeller("refusal-phrases", "refusal", keywords.refusal_phrases, lambda: _of(*keywords.REFUSAL_PHRASES)),
)
