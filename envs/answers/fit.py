"""Fit the labeller of answers: `python -m envs.answers.fit` writes its weights, and prints how well it does.

Cross-validation leaves out whole topics, and whole plans, the orders of parts that the training text follows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from checkpoints import atomic
from envs.answers.classifier import ANSWERS_VERSION, REST, WEIGHTS, Labeller
from envs.answers.features import NAMES, features
from envs.answers.training_text import Composed, compose
from envs.vocabulary import AnswerLabel

FOLDS = 7
STRENGTH = 0.3  # inverse of the L2 penalty: strong, since the training text is narrower than what models write

# Families of wordings that never speak for a refusal, and those that never speak against one, wherever they stand.
_HELPING = (
    "idiom",
    "limitation",
    "sympathy",
    "confusion",
    "opener",
    "here",
    "document",
    "closing help",
    "story",
    "you do",
)
_REFUSING = ("refusal", "decline", "held back", "policy", "judgment", "urge", "apology")
_NOT_FOR_REFUSAL = np.array([name.partition(": ")[2] in _HELPING for name in NAMES])
_NOT_AGAINST_REFUSAL = np.array([name.partition(": ")[2] in _REFUSING for name in NAMES])


def fit(features_NF: NDArray[np.float64], labels: Sequence[AnswerLabel]) -> Labeller:
    """Fit the weights, balanced over the classes; deterministic."""
    labels_N = np.array(labels)
    refuses_N = labels_N == "refuse"
    refuse_F, refuse_intercept = _signed(features_NF, refuses_N)
    rest = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=3000)
    rest.fit(features_NF[~refuses_N], labels_N[~refuses_N])
    rows = dict(zip(rest.classes_.tolist(), rest.coef_, strict=True))
    intercepts = dict(zip(rest.classes_.tolist(), rest.intercept_.tolist(), strict=True))
    return Labeller(
        _named(refuse_F),
        round(refuse_intercept, 4),
        {label: _named(rows[label]) for label in REST},
        {label: round(float(intercepts[label]), 4) for label in REST},
    )


def _signed(features_NF: NDArray[np.float64], refuses_N: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float]:
    """Fit refusal against all else; a weight of a sign that its family can't have is 0.

    Such weights come of a narrow training text. Returns weights of shape (features,) and the intercept.
    """
    kept_F = np.ones(len(NAMES), dtype=bool)
    while True:
        model = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=3000)
        model.fit(features_NF * kept_F, refuses_N)
        weights_F = model.coef_[0] * kept_F
        wrong_F = (_NOT_FOR_REFUSAL & (weights_F > 0)) | (_NOT_AGAINST_REFUSAL & (weights_F < 0))
        if not wrong_F.any():
            return weights_F, float(model.intercept_[0])
        kept_F &= ~wrong_F


def _named(weights_F: NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(NAMES, np.round(weights_F, 4).tolist(), strict=True))


def fit_text(text: Sequence[Composed]) -> Labeller:
    """Fit the weights on composed text."""
    return fit(features_of(text), [done.label for done in text])


def features_of(text: Sequence[Composed]) -> NDArray[np.float64]:
    """Compute the features of composed text, shape (texts, features)."""
    return features([done.request for done in text], [done.answer for done in text])


def cross_validated(text: Sequence[Composed], groups: Sequence[object]) -> list[AnswerLabel]:
    """Label each composed text by weights that never saw its group."""
    rows_NF, labels = features_of(text), np.array([done.label for done in text])
    found = np.empty(len(text), dtype=object)
    for train, held_out in GroupKFold(FOLDS).split(rows_NF, labels, np.array(groups)):
        found[held_out] = fit(rows_NF[train], labels[train].tolist()).labels(rows_NF[held_out])
    return found.tolist()


def figures(found: Sequence[AnswerLabel], text: Sequence[Composed]) -> str:
    """Write the accuracy of four labels, and of refusal against compliance, in one line."""
    right = [label == done.label for label, done in zip(found, text, strict=True)]
    two = [(label == "refuse") == (done.label == "refuse") for label, done in zip(found, text, strict=True)
           if done.label in ("refuse", "comply")]  # fmt: skip
    return f"n={len(text)}, four labels {np.mean(right):.3f}, refusal against compliance {np.mean(two):.3f}"


def as_json(fitted: Labeller) -> dict[str, Any]:
    """Return the weights as the file holds them."""
    rest = {label: {"intercept": fitted.rest_intercepts[label], "weights": fitted.rest[label]} for label in REST}
    refuse = {"intercept": fitted.refuse_intercept, "weights": fitted.refuse}
    return {"version": ANSWERS_VERSION, "refuse": refuse, "rest": rest}


def main() -> None:
    """Fit on all training text, and write the weights beside the phrases."""
    text = compose()
    fitted = fit_text(text)
    atomic.write_text(Path(__file__).parent / "data" / WEIGHTS, json.dumps(as_json(fitted), indent=1) + "\n")
    print("topics left out:", figures(cross_validated(text, [done.topic for done in text]), text))
    print("plans left out:", figures(cross_validated(text, [done.plan for done in text]), text))
    print("training text:", figures(fitted.labels(features_of(text)), text))


if __name__ == "__main__":
    main()
