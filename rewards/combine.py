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
        components = {kind: values[row] for kind, (values, _, _) in columns.items()}
        unweighted = {kind: plain[row] for kind, (_, plain, _) in columns.items()}
        errors = [f"{kind}: {reasons[row]}" for kind, (_, _, reasons) in columns.items() if reasons[row]]
        known = [value for value in components.values() if value is not None]
        total = sum(known) if len(known) == len(components) else None
        scores.append(Score(total, components, "; ".join(errors) or None, unweighted=unweighted))
    return scores


def _column(
    reward: RewardFunction, reward_inputs: Sequence[RewardInput], timeout_s: float
) -> tuple[list[float | None], list[float | None], list[str | None]]:
    """Compute the weighted values of one reward, the values before the weight, and the reasons of missing ones."""
    given, failures = call_guarded(reward, reward_inputs, timeout_s, "reward", "scores")
    plain = [None if why else _finite(reward, value) for value, why in zip(given, failures, strict=True)]
    reasons = [why or _reason(value, known) for value, why, known in zip(given, failures, plain, strict=True)]
    return [None if value is None else reward.weight * value for value in plain], plain, reasons


def _reason(given: object, known: float | None) -> str | None:
    """Give the reason why a reward's value is missing."""
    if known is not None:
        return None
    return given.reason if isinstance(given, Unscored) else "not a finite number"


def _finite(reward: RewardFunction, given: object) -> float | None:
    """Return the value as a number, or None for whatever isn't a finite number before or after weighting."""
    if not isinstance(given, int | float):
        return None
    try:
        value = float(given)
    except OverflowError:
        return None
    return value if math.isfinite(value) and math.isfinite(reward.weight * value) else None
