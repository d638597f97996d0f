"""Calls into code that may fail: a batch at once, then one by one, under a time limit. A failure is data."""

import threading
from collections.abc import Callable, Sequence
from queue import Empty, Queue
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

# After this many time-outs in a row a function is taken for dead, and the rest of the batch isn't tried.
TIME_OUTS_BEFORE_GIVING_UP = 2


def call_guarded(
    function: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T], timeout_s: float, thread: str, result: str
) -> tuple[list[R | None], list[str | None]]:
    """Call `function` on all items at once and, where that fails, on each alone.

    Args:
        function: one result an item, in order.
        items: the batch.
        timeout_s: seconds that one call may take.
        thread: the name of the thread that it runs in.
        result: the word for its results in a message, in the plural.

    Returns:
        The results, None where there is none, and the reasons for which there is none.
    """
    found, reason = _call(function, items, timeout_s, thread, result)
    if found is not None:
        return list(found), [None] * len(items)
    values: list[R | None] = []
    reasons: list[str | None] = []
    time_outs = 0
    for item in items:
        if time_outs >= TIME_OUTS_BEFORE_GIVING_UP:
            values.append(None)
            reasons.append(f"not called after {time_outs} time-outs")
            continue
        one, reason = _call(function, [item], timeout_s, thread, result)
        time_outs = time_outs + 1 if reason is not None and reason.startswith("no answer") else 0
        values.append(None if one is None else one[0])
        reasons.append(reason)
    return values, reasons


def _call(
    function: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T], timeout_s: float, thread: str, result: str
) -> tuple[list[R] | None, str | None]:
    """Return the results, or None and the reason. Runs in a daemon thread: a function that hangs can't hold the run."""
    outcome: Queue[list[R] | BaseException] = Queue(maxsize=1)

    def work() -> None:
        try:
            outcome.put(list(function(items)))
        except BaseException as error:  # noqa: BLE001 - the boundary that records: any failure is data here
            outcome.put(error)

    threading.Thread(target=work, daemon=True, name=thread).start()
    try:
        found = outcome.get(timeout=timeout_s)
    except Empty:
        return None, f"no answer within {timeout_s:g} s"
    if isinstance(found, BaseException):
        return None, " ".join(f"{type(found).__name__}: {found}".split())
    if len(found) != len(items):
        return None, f"gave {len(found)} {result} for {len(items)} episodes"
    return found, None
