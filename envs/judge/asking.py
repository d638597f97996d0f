"""The door to a judge: a batch of questions, answered from the cache or by requests, within a time limit."""

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress

from envs.judge import verdict_cache
from envs.judge.key import key_of
from envs.judge.prompts import Prompt, render
from envs.judge.questions import Found, NoVerdict, Question
from envs.judge.settings import Endpoint
from envs.judge.usage import meter_of

LONGEST_TEXT = 40_000  # characters of a question's texts together; a longer question isn't cut, and isn't asked
GRACE_S = 1.0  # for the thread to end by itself after the deadline


def ask(endpoint: Endpoint, questions: Sequence[Question], fresh: bool = False) -> list[Found]:
    """Ask a judge, and return one verdict or reason a question, in order. Raises nothing that the judge causes.

    Questions that are alike are asked once. `fresh` passes over the cache. It returns within `batch_timeout_s` and a
    second.
    """
    rendered = [render(question.prompt, question.texts) for question in questions]
    keys = [verdict_cache.cache_key(endpoint, q.prompt, text) for q, text in zip(questions, rendered, strict=True)]
    found: dict[str, Found] = {}
    asked: dict[str, tuple[Prompt, str]] = {}
    for key, question, text in zip(keys, questions, rendered, strict=True):
        if key in found or key in asked:
            continue
        kept = None if fresh else verdict_cache.find(question.prompt, key)
        if kept is not None:
            found[key] = kept
        elif sum(map(len, question.texts.values())) > LONGEST_TEXT:
            found[key] = NoVerdict(f"not asked: more than {LONGEST_TEXT} characters")
        else:
            asked[key] = question.prompt, text
    if asked:
        found |= _within_time(endpoint, asked)
    return [found[key] for key in keys]


def _within_time(endpoint: Endpoint, asked: Mapping[str, tuple[Prompt, str]]) -> dict[str, Found]:
    """Ask in a daemon thread until the deadline, so that not even a name server that hangs can hold the run."""
    from envs.judge.batch import Batch  # brings httpx2, which takes a quarter of a second to import

    try:
        key = key_of(endpoint)
    except ValueError as error:
        return dict.fromkeys(asked, NoVerdict(str(error)))
    meter = meter_of(endpoint)
    batch = Batch(endpoint, meter, asked)
    thread = threading.Thread(target=batch.run, args=(key,), daemon=True, name="judge")
    thread.start()
    thread.join(endpoint.batch_timeout_s + GRACE_S)
    meter.silent = batch.silent
    with suppress(OSError):  # a full disk costs no verdict: the count stays, and is written with the next batch
        meter.save()
    late = NoVerdict(batch.broken or f"no verdict within {endpoint.batch_timeout_s:g} s")
    return {**dict.fromkeys(asked, late), **batch.found}
