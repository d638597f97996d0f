"""Fit the classifier of faking: `python -m envs.faking.fit` writes its weights, and prints how well it does.

Cross-validation leaves out whole plans, the orders of thoughts that the training text follows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from envs.faking.classifier import THRESHOLD, WEIGHTS, Classifier
from envs.faking.features import NAMES, features
from envs.faking.training_text import Composed, compose

FOLDS = 7
STRENGTH = 0.1  # inverse of the L2 penalty: strong, since the training text is narrower than what models write


def fit(texts: Sequence[str], faking: Sequence[bool]) -> Classifier:
    """Fit the weights, balanced over the two classes; deterministic."""
    return _fitted(features(texts), np.array(faking))


def _fitted(rows_NF: NDArray[np.float64], faking_N: NDArray[np.bool_]) -> Classifier:
    model = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=2000).fit(rows_NF, faking_N)
    weights = dict(zip(NAMES, np.round(model.coef_[0], 4).tolist(), strict=True))
    return Classifier(weights, round(float(model.intercept_[0]), 4))


def cross_validated(text: Sequence[Composed]) -> NDArray[np.float64]:
    """Return p(faking) of each composed text under weights that never saw its plan, shape (texts,).

    Plans share phrases, so the figure says more of the order of thoughts than of new wordings.
    """
    rows_NF = features([done.text for done in text])
    faking_N, plans_N = np.array([done.faking for done in text]), np.array([done.plan for done in text])
    p_N = np.zeros(len(text))
    for train, held_out in GroupKFold(FOLDS).split(rows_NF, faking_N, plans_N):
        p_N[held_out] = _fitted(rows_NF[train], faking_N[train]).of_features(rows_NF[held_out])
    return p_N


def figures(p_N: NDArray[np.float64], faking: Sequence[bool]) -> str:
    """Write AUROC and accuracy in one line."""
    accuracy = float(np.mean((p_N >= THRESHOLD) == np.array(faking)))
    return f"n={len(faking)}, AUROC {roc_auc_score(faking, p_N):.3f}, accuracy {accuracy:.3f}"


def main() -> None:
    """Fit on all training text, and write the weights beside the phrases."""
    text = compose()
    fitted = fit([done.text for done in text], [done.faking for done in text])
    path = Path(__file__).parent / "data" / WEIGHTS
    content = {"intercept": fitted.intercept, "weights": fitted.weights}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print("plans left out:", figures(cross_validated(text), [done.faking for done in text]))
    print("training text:", figures(fitted([done.text for done in text]), [done.faking for done in text]))


if __name__ == "__main__":
    main()
