"""The fit of the labeller of answers, and its figures by cross-validation.

Cross-validation leaves out whole topics, and whole plans, the orders of parts that the training text follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags_array, hstack
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from envs.answers.classifier import ANSWERS_VERSION, LABELS, REST, Labeller
from envs.answers.features import NAMES, features
from envs.answers.grams import grams
from envs.answers.training_text import Composed
from envs.vocabulary import AnswerLabel

FOLDS = 7
# Inverses of the L2 penalty. Real refusals are wider than composed ones, so refusal is fitted with a stronger penalty.
STRENGTH, STRENGTH_OF_REFUSAL = 1.0, 0.1
FEWEST_TEXTS = 40  # in which a gram must stand
GRAM_SCALE = 0.15  # a gram counts less than a feature, so the penalty keeps its weight smaller


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


def fit(text: Sequence[Composed], counts: Sequence[float] | None = None) -> Labeller:
    """Fit the weights on composed text, balanced over the classes; deterministic.

    `counts`: how much each text counts among those of its class; by default all alike.
    """
    labels_N = np.array([done.label for done in text])
    counts_N = np.ones(len(text)) if counts is None else np.array(counts)
    reader = CountVectorizer(analyzer=grams, min_df=FEWEST_TEXTS, binary=True)
    grams_NG = reader.fit_transform([done.answer for done in text]) * GRAM_SCALE
    features_NF = csr_matrix(features([done.request for done in text], [done.answer for done in text]))
    inputs_NX = hstack([features_NF, grams_NG]).tocsr()
    refuses_N = labels_N == "refuse"
    refuse_X, intercept = _signed(inputs_NX, refuses_N, counts_N)
    rest = _regression(STRENGTH, inputs_NX[~refuses_N], labels_N[~refuses_N], counts_N[~refuses_N])
    order = [rest.classes_.tolist().index(label) for label in REST]
    rows_XL = np.column_stack([refuse_X, *rest.coef_[order]])
    rows_XL[len(NAMES) :] *= GRAM_SCALE
    named = zip([*NAMES, *reader.get_feature_names_out()], np.round(rows_XL, 3).tolist(), strict=True)
    rows = [(str(name), tuple(row)) for name, row in named]
    intercepts = np.round([intercept, *rest.intercept_[order]], 3)
    return Labeller(dict(rows[: len(NAMES)]), dict(rows[len(NAMES) :]), tuple(intercepts.tolist()))


def _regression(
    strength: float, inputs_NX: csr_matrix, classes_N: NDArray[Any], counts_N: NDArray[np.float64]
) -> LogisticRegression:
    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=3000)
    return model.fit(inputs_NX, classes_N, sample_weight=counts_N)


def _signed(
    inputs_NX: csr_matrix, refuses_N: NDArray[np.bool_], counts_N: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Fit refusal against all else; a feature's weight of a sign that its family can't have is 0.

    Such weights come of a narrow training text. Returns weights of shape (inputs,) and the intercept.
    """
    kept_X = np.ones(inputs_NX.shape[1])
    while True:
        model = _regression(STRENGTH_OF_REFUSAL, (inputs_NX @ diags_array(kept_X)).tocsr(), refuses_N, counts_N)
        weights_X = model.coef_[0] * kept_X
        weights_F = weights_X[: len(NAMES)]
        wrong_F = (_NOT_FOR_REFUSAL & (weights_F > 0)) | (_NOT_AGAINST_REFUSAL & (weights_F < 0))
        if not wrong_F.any():
            return weights_X, float(model.intercept_[0])
        kept_X[: len(NAMES)][wrong_F] = 0.0


def cross_validated(text: Sequence[Composed], groups: Sequence[object]) -> list[AnswerLabel]:
    """Label each composed text by weights that never saw its group."""
    found = np.empty(len(text), dtype=object)
    for train, held_out in GroupKFold(FOLDS).split(np.zeros(len(text)), groups=np.array(groups)):
        fitted = fit([text[index] for index in train])
        asked = [text[index].request for index in held_out]
        found[held_out] = fitted.labels(asked, [text[index].answer for index in held_out])
    return found.tolist()


def figures(found: Sequence[AnswerLabel], text: Sequence[Composed]) -> str:
    """Write the accuracy of four labels, and of refusal against compliance, in one line."""
    right = [label == done.label for label, done in zip(found, text, strict=True)]
    two = [(label == "refuse") == (done.label == "refuse") for label, done in zip(found, text, strict=True)
           if done.label in ("refuse", "comply")]  # fmt: skip
    return f"n={len(text)}, four labels {np.mean(right):.3f}, refusal against compliance {np.mean(two):.3f}"


def as_json(fitted: Labeller) -> dict[str, Any]:
    """Return the weights as the file holds them."""
    return {
        "version": ANSWERS_VERSION,
        "labels": LABELS,
        "intercepts": fitted.intercepts,
        "features": fitted.features,
        "grams": fitted.grams,
    }
