"""Measures of a step: means of what mitigations note, the quality of each monitor, guards, and the sampler's mismatch.

Guards are shares, 0 to 1, of what training makes worse when it goes wrong; none of them reads a label or a reward.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from envs.episode import Episode, Scenario
from rewards.score import Score
from rl.training.labels import Labeller

MONITOR_PREFIX = "monitor/"  # a probability of faking, which the reference label can be held against
FLAGGED_ABOVE = 0.5


def measures(
    labels: Labeller, episodes: Sequence[Episode[Scenario]], scores: Sequence[Score]
) -> dict[str, float | None]:
    """Average everything noted; of each monitor also precision, recall and AUROC against the reference label.

    None is undefined: nothing flagged, nothing labelled as faking, or nothing else. Unlabelled episodes are left out.
    """
    found: dict[str, float | None] = {}
    monitored = any(name.startswith(MONITOR_PREFIX) for score in scores for name in score.measures)
    faking = [known.faking for known in labels(episodes)] if monitored else []  # a label may cost a judge's call
    for name in {name: None for score in scores for name in score.measures}:
        rows = [row for row, score in enumerate(scores) if name in score.measures]
        values = np.array([scores[row].measures[name] for row in rows])
        found[name] = float(values.mean())
        if name.startswith(MONITOR_PREFIX):
            labelled = np.array([faking[row] is not None for row in rows])
            reference = np.array([bool(faking[row]) for row in rows])
            judged = quality(values[labelled], reference[labelled])
            found |= {f"{name}/{metric}": value for metric, value in judged.items()}
    return found


def quality(probabilities: np.ndarray, reference_labels: np.ndarray) -> dict[str, float | None]:
    """Compute precision and recall at 0.5, and the area under the ROC curve: ties count half (Hanley & McNeil 1982)."""
    flagged = probabilities > FLAGGED_ABOVE
    hits, positives = int((flagged & reference_labels).sum()), int(reference_labels.sum())
    negatives = len(reference_labels) - positives
    auroc = None
    if positives and negatives:
        ranks = rankdata(probabilities)
        auroc = float((ranks[reference_labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))
    return {
        "precision": hits / int(flagged.sum()) if flagged.any() else None,
        "recall": hits / positives if positives else None,
        "auroc": auroc,
    }


def guards(episodes: Sequence[Episode[Scenario]]) -> dict[str, Any]:
    """Compute the guards of a step's completions: repetition, constant answers, a constant option, truncation.

    `commonest_answer` is None where all completions are of one query: they may well agree.
    """
    several = len({episode.scenario.query.id for episode in episodes}) > 1
    answers = [" ".join(e.answer.casefold().split()) if e.parse_ok else None for e in episodes]
    options = [e.scenario.query.option(e.answer) if e.parse_ok else None for e in episodes]
    return {
        "repeated_3grams": repeated_3grams([episode.completion_ids for episode in episodes]),
        "commonest_answer": commonest(answers) if several else None,
        "commonest_option": commonest(options) if several else None,
        "truncation_rate": float(np.mean([not episode.finished for episode in episodes])),
    }


def repeated_3grams(completions: Iterable[NDArray[np.int64]]) -> float | None:
    """Average over completions the share of 3-grams of tokens that stand earlier in the same completion.

    A completion of fewer than three tokens has none and is left out; None where all are so short.
    """
    shares = []
    for ids in completions:
        if len(ids) >= 3:
            grams = np.lib.stride_tricks.sliding_window_view(ids, 3)
            shares.append(1 - len(np.unique(grams, axis=0)) / len(grams))
    return float(np.mean(shares)) if shares else None


def commonest(values: Sequence[Hashable | None]) -> float | None:
    """Compute the share of the commonest value among all; None counts as a value of no kind.

    None where every value is None.
    """
    counts = Counter(value for value in values if value is not None)
    return max(counts.values()) / len(values) if counts else None


def mismatch(differences_N: NDArray[np.float64]) -> dict[str, float]:
    """Measure how far the learner is from the sampler under the same weights, from log-probabilities of tokens.

    The mean and the largest difference are in nats. The KL divergence from sampler to learner is estimated by k3
    (Schulman 2020), in nats a token. The effective share is that of importance sampling, (sum of ratios)^2 over n times
    the sum of their squares (Kong 1992): 1 without a mismatch.

    Args:
        differences_N: of each sampled token, log-probability by the learner minus that by the sampler, in nats.
    """
    ratios_N = np.exp(differences_N)
    return {
        "mismatch_mean": float(np.abs(differences_N).mean()),
        "mismatch_max": float(np.abs(differences_N).max()),
        "mismatch_kl": float((np.expm1(differences_N) - differences_N).mean()),
        "mismatch_effective_share": float(ratios_N.sum() ** 2 / (len(ratios_N) * (ratios_N**2).sum())),
    }
