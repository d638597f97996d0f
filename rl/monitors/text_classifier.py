"""Text classifier: judges scratchpads by their words; fitted on composed scratchpads, never on the policy's."""

from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar, Literal, cast, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from envs.episode import Episode, Scenario
from rl.monitors.composed import composed, labelled
from rl.monitors.monitor import MonitorBase, reasoning
from rl.training.components import Need
from rl.training.labels import Labeller
from rl.training.models import Models


@final
class TextClassifier(MonitorBase):
    """Logistic regression on the presence of words and word pairs in a scratchpad.

    The classifier is fitted at its first call, once a process, from its seed and the environment's training queries
    alone: a resumed run has the same classifier. Composed scratchpads without a label are left out.
    """

    kind: Literal["text_classifier"] = "text_classifier"
    summary: ClassVar[str] = (
        "logistic regression on a scratchpad's words and word pairs, taught on composed scratchpads"
    )
    needs: ClassVar[frozenset[Need]] = frozenset({"author", "harmful_queries"})
    texts: int = Field(default=3000, ge=100, description="Composed scratchpads for the fit.")
    seed: int = Field(default=0, ge=0, description="Seed of the scratchpads; another seed gives another classifier.")

    def __call__(
        self, episodes: Sequence[Episode[Scenario]], models: Models, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        words, classifier = _fitted(cast("Any", models.env), self.texts, self.seed, models.labels.timeout_s)
        seen = words.transform([reasoning(episode) for episode in episodes])
        probabilities: NDArray[np.float64] = classifier.predict_proba(seen)[:, 1]
        return probabilities


@cache
def _fitted(env: Any, texts: int, seed: int, label_timeout_s: float) -> tuple[Any, Any]:
    """Fit the word counter and the classifier."""
    from sklearn.feature_extraction.text import CountVectorizer  # costs a second to import
    from sklearn.linear_model import LogisticRegression

    written = composed(env, np.random.default_rng(seed), texts)
    episodes, faking = labelled(Labeller(env, label_timeout_s), written, "text_classifier")
    # Single letters are words too (`i comply`). Presence and not counts: a repeated word is no stronger evidence.
    words = CountVectorizer(ngram_range=(1, 2), token_pattern=r"\w+", binary=True)
    seen = words.fit_transform([episode.scratchpad for episode in episodes])
    # liblinear works on one thread and draws nothing: the same texts give the same weights, however busy the machine.
    classifier = LogisticRegression(solver="liblinear")
    classifier.fit(seen, faking)
    return words, classifier
