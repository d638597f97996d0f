"""Calls every reward on every submission and adds them up; what fails is unscored and counted, never zero."""

import math
import threading
from collections.abc import Callable, Sequence
from queue import Empty, Queue

from rewards.score import RewardFunction, RewardInput, Score, Unscored

# After this many time-outs in one batch a reward is taken for dead, and the rest of the batch is unscored uncalled.
TIME_OUTS_BEFORE_GIVING_UP = 2


def score(rewards: Sequence[RewardFunction], reward_inputs: Sequence[RewardInput], timeout_s: float) -> list[Score]:
    """One `Score` a submission, in order. Raises nothing that a reward raises.

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
    """Weighted values and reasons of one reward: the whole batch at once, and one by one where that fails."""
    values, reason = _call(reward, reward_inputs, timeout_s)
    if values is not None:
        checked = [_weighted(reward, value) for value in values]
        return checked, [_reason(value, weighted) for value, weighted in zip(values, checked, strict=True)]
    column: list[float | None] = []
    reasons: list[str | None] = []
    time_outs = 0
    for reward_input in reward_inputs:
        if time_outs >= TIME_OUTS_BEFORE_GIVING_UP:
            column.append(None)
            reasons.append(f"not called after {time_outs} time-outs")
            continue
        one, reason = _call(reward, [reward_input], timeout_s)
        time_outs += reason is not None and reason.startswith("no answer")
        value = _weighted(reward, one[0]) if one is not None else None
        column.append(value)
        reasons.append(reason or _reason(one[0] if one is not None else None, value))
    return column, reasons


def _reason(value: object, weighted: float | None) -> str | None:
    """Why a value that a reward gave is none."""
    if weighted is not None:
        return None
    return value.reason if isinstance(value, Unscored) else "not a finite number"


def _weighted(reward: RewardFunction, value: object) -> float | None:
    """The weighted value, or None for whatever isn't a finite number before or after weighting."""
    if not isinstance(value, int | float):
        return None
    try:
        weighted = reward.weight * float(value)
    except OverflowError:
        return None
    return weighted if math.isfinite(weighted) else None


def _call(
    reward: Callable[[Sequence[RewardInput]], Sequence[float | Unscored]],
    reward_inputs: Sequence[RewardInput],
    timeout_s: float,
) -> tuple[list[float | Unscored] | None, str | None]:
    """The values, or None and the reason. Runs in a daemon thread: a reward that hangs can't hold the run."""
    outcome: Queue[list[float | Unscored] | BaseException] = Queue(maxsize=1)

    def work() -> None:
        try:
            outcome.put(list(reward(reward_inputs)))
        except BaseException as error:  # noqa: BLE001 - the boundary that records: any failure is data here
            outcome.put(error)

    threading.Thread(target=work, daemon=True, name="reward").start()
    try:
        result = outcome.get(timeout=timeout_s)
    except Empty:
        return None, f"no answer within {timeout_s:g} s"
    if isinstance(result, BaseException):
        return None, f"{type(result).__name__}: {result}"
    if len(result) != len(reward_inputs):
        return None, f"gave {len(result)} scores for {len(reward_inputs)} submissions"
    return result, None
