"""Facts of a run's judges for the page: agreement with the offline labels, and calls, tokens and cost."""

from __future__ import annotations

import json
from collections.abc import Iterator

from reports.folder import Run

AGREEMENT = "judge_agreement/"


def judge_facts(run: Run) -> Iterator[tuple[str, str]]:
    """Yield a fact for each judged label at the last probe that compared it, and for the count of each judge."""
    compared = run.probes[run.probes["metric"].str.startswith(AGREEMENT)]
    for metric, found in compared.groupby("metric", sort=True):
        last = found.sort_values("step").iloc[-1]
        n = int(last["n"])
        same = round(float(last["value"]) * n) if n else 0
        label = str(metric).removeprefix(AGREEMENT)
        yield f"judge and offline label agree on {label}", f"{same} of {n} episodes probed at step {int(last['step'])}"
    for file in sorted(run.path.glob("judge-*.json")):
        try:
            count = json.loads(file.read_bytes())
            said = f"{count['calls']:,} calls, {count['prompt_tokens'] + count['completion_tokens']:,} tokens"
            cost = f", cost {count['cost']:.4g}" if count["cost"] else ""
        except (OSError, ValueError, LookupError, TypeError):
            said, cost = "its count is damaged", ""
        yield f"judge of {'labels' if file.stem == 'judge-labels' else 'rewards'}", said + cost
