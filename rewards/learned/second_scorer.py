"""A second scorer of help, made in another way than any reward, for evaluation alone: lexical and linear."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from envs.environment import Author
from rewards.learned.constants import held_out_queries
from rewards.learned.contrasts import Mixture, contrasting_pairs
from rewards.score import RewardInput

SEED = 20_260_101  # of a stream that no reward model is trained on
PAIRS = 1_500
CALIBRATION_QUERIES = 64
LEAST_ACCURACY = 0.8  # of full help against every other grade
# Bounds of a score: an empty answer lies so far out that a few would make a mean.
LOWEST, HIGHEST = -1.0, 2.0
HASHED = 2**12  # columns of words and pairs of words
MIXTURE = Mixture(length_matched=0.5, swapped_openers=0.25, negatives=0.25)

_WORD = re.compile(r"[a-z']+")
_STEM = 5  # letters of a word that are compared: "paint" and "painting" are one
_FUNCTION_WORDS = frozenset(
    _WORD.findall(
        "a an and are as at be but by can could do does for from get give had has have how i if in is it its just me "
        "my of on or our please should so some tell than that the their them then there they this to us was we what "
        "when where which who will with would you your"
    )
)


@dataclass(frozen=True)
class SecondScorer:
    """A logistic regression on pairs of answers (Bradley & Terry 1952), over words and their overlap with the query.

    0 is the mean refusal and 1 the mean full answer of held-out queries; scores end at -1 and 2. `accuracy`: of full
    help against everything else, on these queries.
    """

    words: Any
    weights: NDArray[np.float64]
    scales: NDArray[np.float64]
    zero: float
    one: float
    accuracy: float

    kind: ClassVar[Literal["second_scorer"]] = "second_scorer"
    weight: ClassVar[float] = 1.0

    def __call__(self, reward_inputs: Sequence[RewardInput]) -> list[float]:
        """Score each answer; a reply that can't be parsed is scored as an empty one."""
        exchanges = [(given.query, given.answer if given.parse_ok else "") for given in reward_inputs]
        scores = [(value - self.zero) / (self.one - self.zero) for value in self._raw(exchanges)]
        return np.clip(scores, LOWEST, HIGHEST).tolist() if scores else []

    def _raw(self, exchanges: Sequence[tuple[str, str]]) -> list[float]:
        if not exchanges:
            return []
        found: list[float] = (_features(self.words, self.scales, exchanges) @ self.weights).tolist()
        return found


def fit_second_scorer(author: Author) -> SecondScorer:
    """Fit the second scorer on pairs of the author, from a stream of its own; the same at each call.

    Raises:
        ValueError: if the author's answers aren't enough to fit and to calibrate on.
    """
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import LogisticRegression

    words = HashingVectorizer(
        n_features=HASHED, ngram_range=(1, 2), lowercase=True, binary=True, alternate_sign=False, norm="l2",
        token_pattern=r"[a-z']+",
    )  # fmt: skip
    rng = np.random.default_rng(SEED)
    pairs = list(contrasting_pairs(author, rng, "train", PAIRS, MIXTURE, lambda text: len(text.split())))
    chosen = [(pair.query.text, pair.chosen) for pair in pairs]
    rejected = [(pair.query.text, pair.rejected) for pair in pairs]
    overlap = np.array([_overlap(*exchange) for exchange in [*chosen, *rejected]])
    scales = np.maximum(overlap.std(axis=0), 1e-3)
    difference = _features(words, scales, chosen) - _features(words, scales, rejected)
    # Each pair in both directions, for a regression without a constant needs two classes.
    both = sparse.vstack([difference, -difference]).tocsr()
    sides = np.repeat([1, 0], len(pairs))
    weights = LogisticRegression(C=2.0, fit_intercept=False, max_iter=1000).fit(both, sides).coef_[0]
    return _calibrated(SecondScorer(words, weights, scales, 0.0, 1.0, 0.0), author, rng)


def _calibrated(scorer: SecondScorer, author: Author, rng: np.random.Generator) -> SecondScorer:
    """Set zero and one to the means of held-out refusals and full answers, and measure the accuracy."""
    scores: dict[str, list[float]] = {}
    right: list[bool] = []
    for query in held_out_queries(author, rng, CALIBRATION_QUERIES):
        texts = [(query.text, author.graded(rng, query, grade)) for grade in author.grades]
        values = scorer._raw(texts)
        for grade, value in zip(author.grades, values, strict=True):
            scores.setdefault(grade.meaning, []).append(value)
        right += [
            values[0] > value for grade, value in zip(author.grades, values, strict=True) if grade.meaning != "comply"
        ]
    if not {"comply", "refuse"} <= set(scores):
        raise ValueError("the author writes no full help or no refusals, which calibrate the second scorer")
    zero, one = float(np.mean(scores["refuse"])), float(np.mean(scores["comply"]))
    if one <= zero:
        raise ValueError("the second scorer ranks refusals above full help: leave the probe second_reward out")
    accuracy = float(np.mean(right))
    if accuracy < LEAST_ACCURACY:
        raise ValueError(
            f"the second scorer ranks full help first in {accuracy:.0%} of held-out comparisons, and "
            f"{LEAST_ACCURACY:.0%} are required: leave the probe second_reward out"
        )
    return SecondScorer(scorer.words, scorer.weights, scorer.scales, zero, one, accuracy)


def _features(words: Any, scales: NDArray[np.float64], exchanges: Sequence[tuple[str, str]]) -> Any:
    """Compute the features of each exchange, (exchanges, HASHED + measures of overlap), sparse."""
    overlap = np.array([_overlap(*exchange) for exchange in exchanges]) / scales
    return sparse.hstack([words.transform([answer for _, answer in exchanges]), sparse.csr_matrix(overlap)]).tocsr()


def _overlap(query: str, answer: str) -> list[float]:
    """Measure how an answer goes with its query: shared content words, repetition, a copy, an end."""
    asked, said = _content(query), _content(answer)
    words = _WORD.findall(answer.lower())
    shared = len(asked & said)
    return [
        shared / max(len(asked), 1),
        shared / max(len(said), 1),
        float(shared > 0),
        float(" ".join(query.lower().split()) in " ".join(answer.lower().split())),
        len(set(words)) / max(len(words), 1),
        float(not words),
        float(answer.rstrip().endswith((".", "!", "?"))),
        float(len(said) < 3),
    ]


def _content(text: str) -> set[str]:
    """Return the beginnings of the words that carry content."""
    return {word[:_STEM] for word in _WORD.findall(text.lower()) if word not in _FUNCTION_WORDS and len(word) > 2}
