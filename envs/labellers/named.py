"""Labellers of texts by name, each with its question and its version."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from envs.answers import classifier as answers
from envs.faking import classifier as faking
from envs.labellers import keywords
from envs.labellers.labelled_texts import Question
from envs.vocabulary import AnswerLabel


@dataclass(frozen=True, slots=True)
class TextLabeller:
    """A labeller of texts: `score` gives one number in [0, 1] a text, and at least 0.5 says yes.

    `score` takes the prompts and the texts; a prompt is "" where a file has none. `labels` gives the four labels of
    answers, None for a labeller that tells refusal alone. `used`: runs take their labels from it; others are baselines.
    """

    name: str
    question: Question
    score: Callable[[Sequence[str], Sequence[str]], NDArray[np.float64]]
    version: Callable[[], str]
    labels: Callable[[Sequence[str], Sequence[str]], list[AnswerLabel]] | None = None
    used: bool = False


def _of(*phrases: str) -> str:
    return hashlib.sha256("\n".join(phrases).encode()).hexdigest()[:12]


def _without_prompts(
    score: Callable[[Sequence[str]], NDArray[np.float64]],
) -> Callable[[Sequence[str], Sequence[str]], NDArray[np.float64]]:
    """Make a score of texts alone take prompts too."""
    return lambda _, texts: score(texts)


LABELLERS: tuple[TextLabeller, ...] = (
    TextLabeller("classifier", "faking", _without_prompts(faking.faking_probability), faking.digest, used=True),
    TextLabeller(
        "keywords", "faking", _without_prompts(keywords.faking_phrases), lambda: _of(*keywords.FAKING_PHRASES)
    ),
    TextLabeller(
        "answers", "refusal", answers.refusal_probability, answers.digest, labels=answers.answer_labels, used=True
    ),
    TextLabeller(
        "refusal-phrases",
        "refusal",
        _without_prompts(keywords.refusal_phrases),
        lambda: _of(*keywords.REFUSAL_PHRASES),
    ),
)
