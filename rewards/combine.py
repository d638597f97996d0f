"""The sum of all rewards on every submission.

A reward that fails is unscored and counted, never zero.
"""

import math
from collections.abc import Sequence

from envs.guarded_calls import call_guarded
from rewards.score import RewardFunction, RewardInput, Score, Unscored


def score(rewards: Sequence[RewardFunction], reward_inputs: Sequence[RewardInput], timeout_s: float) -> list[Score]:
    """Compute one `Score` a submission, in order. Raises nothing that a reward raises.

    An exception, a time-out (`timeout_s` seconds a call), a value that isn't finite or an `Unscored` makes that
    submission unscored.
    """
    columns = {reward.kind: _column(reward, reward_inputs, timeout_s) for reward in rewards}
    scores = []
    for row in range(len(reward_inputs)):
        components = {kind: values[row] for kind, (values, _) in columns.items()}
        errors = [f"{kind}: {reasons[row]}" for kind, (_, reasons) in columns.items() if reasons[row]]
        known = [value for value in components.values() if value is not None]
        total = sum(known) if len(known) == len(components) else None
        scores.append(Score(total, components, "; ".join(errors) or None))
    return scores


def _column(
    reward: RewardFunction, reward_inputs: Sequence[RewardInput], timeout_s: float
) -> tuple[list[float | None], list[str | None]]:
    """Compute the weighted values of one reward, and the reasons of those that are missing."""
    values, failures = call_guarded(reward, reward_inputs, timeout_s, "reward", "scores")
    column = [None if why else _weighted(reward, value) for value, why in zip(values, failures, strict=True)]
    reasons = [why or _reason(value, found) for value, why, found in zip(values, failures, column, strict=True)]
    return column, reasons


def _reason(value: object, weighted: float | None) -> str | None:
    """Give the reason why a reward's value is missing."""
    if weighted is not None:
        return None
    return value.reason if isinstance(value, Unscored) else "not a finite number"


def _weighted(reward: RewardFunction, value: object) -> float | None:
    """Return the weighted value, or None for a value that isn't a finite number before or after weighting."""
    if not isinstance(value, int | float):
        return None
    try:
        weighted = reward.weight * float(value)
    except OverflowError:
        return None
    return weighted if math.isfinite(weighted) else None
