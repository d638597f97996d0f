"""Calls of code that may fail: a batch at once, then one by one, under a time limit.

A failure is data.
"""

import threading
from collections.abc import Callable, Sequence
from queue import Empty, Queue
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

# After this many time-outs of single calls, one behind the other or in all, the rest of the batch isn't tried: a batch
# of a thousand calls must not wait for a thousand time-outs.
TIME_OUTS_IN_A_ROW = 2
TIME_OUTS_IN_ALL = 10


def call_guarded(
    function: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T], timeout_s: float, thread: str, result: str
) -> tuple[list[R | None], list[str | None]]:
    """Call `function` on all items at once; if this fails, call it on each item alone, until too many calls time out.

    Args:
        function: returns one result an item, in order.
        items: the batch.
        timeout_s: the time limit of one call, in seconds.
        thread: the name of the thread that runs the function.
        result: the plural noun for the results in messages.

    Returns:
        The results, None where missing, and the reasons for missing results, None elsewhere.
    """
    found, reason = _call(function, items, timeout_s, thread, result)
    if found is not None:
        return list(found), [None] * len(items)
    values: list[R | None] = []
    reasons: list[str | None] = []
    in_a_row = in_all = 0
    for item in items:
        if in_a_row >= TIME_OUTS_IN_A_ROW or in_all >= TIME_OUTS_IN_ALL:
            values.append(None)
            reasons.append(f"not called after {in_all} time-outs")
            continue
        one, reason = _call(function, [item], timeout_s, thread, result)
        timed_out = reason is not None and reason.startswith("no answer")
        in_a_row = in_a_row + 1 if timed_out else 0
        in_all += timed_out
        values.append(None if one is None else one[0])
        reasons.append(reason)
    return values, reasons


def _call(
    function: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T], timeout_s: float, thread: str, result: str
) -> tuple[list[R] | None, str | None]:
    """Return the results and None, or None and the reason.

    The function runs in a daemon thread: a function that hangs can't hold the run.
    """
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
