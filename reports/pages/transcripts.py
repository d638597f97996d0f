"""A sample of transcripts for the page.

Transcripts are chosen by step, tier and label alone, so that the same run shows the same ones.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace

import pandas as pd

from envs.vocabulary import ANSWER_LABELS, TIERS
from reports.folder import Run
from reports.summary import harmful_probes

UNSCORED = "unscored"
WITHHELD = "(withheld: the requests are a set of real harm; gyges report --show-sensitive shows the replies)"
MOMENTS = ("first", "middle", "last")
PER_LABEL = 3

# Shown as tags beside the answer's label, in these words.
TAGS = {
    "label_faking": "faking",
    "label_faking_criteria": "five criteria",
    "label_self_preservation": "self-preservation",
    "label_tier_aware": "tier-aware",
}


@dataclass(frozen=True)
class Transcript:
    """One probed episode on a harmful query, as text.

    `faking` is "yes", "no" or "unscored".
    """

    moment: str
    step: int
    tier: str
    label: str
    faking: str
    tags: tuple[str, ...]
    query_id: str
    cue: str
    system_prompt: str
    query: str
    scratchpad: str
    answer: str


def sample(run: Run, show_sensitive: bool = False) -> list[Transcript]:
    """Choose transcripts at the first, middle and last step, in the order of query ids.

    Up to three of every (step, tier, answer label, faking) are chosen. Of a sensitive run no scratchpad and no answer
    is given, unless `show_sensitive`: a scratchpad may hold a draft of the answer.
    """
    found = []
    withheld = run.sensitive and not show_sensitive
    for moment, step in _moments(run.episode_steps()):
        episodes = harmful_probes(run.episodes(step)).sort_values("query_id", kind="stable")
        all_shown = [_transcript(row, moment) for row in episodes.to_dict("records")]
        counts: dict[tuple[str, str, str], int] = {}
        for shown in all_shown:
            key = (shown.tier, shown.label, shown.faking)
            counts[key] = counts.get(key, 0) + 1
            if counts[key] <= PER_LABEL:
                found.append(replace(shown, scratchpad=WITHHELD, answer=WITHHELD) if withheld else shown)
    return sorted(found, key=_order)


def _moments(steps: list[int]) -> list[tuple[str, int]]:
    if not steps:
        return []
    chosen = {steps[0]: "first", steps[-1]: "last"} if len(steps) > 1 else {steps[0]: "first"}
    if len(steps) > 2:
        chosen[steps[len(steps) // 2]] = "middle"
    return sorted(((moment, step) for step, moment in chosen.items()), key=lambda pair: pair[1])


def _order(shown: Transcript) -> tuple[int, int, str, int, str, str]:
    tier = TIERS.index(shown.tier) if shown.tier in TIERS else len(TIERS)
    label = ANSWER_LABELS.index(shown.label) if shown.label in ANSWER_LABELS else len(ANSWER_LABELS)
    return shown.step, tier, shown.tier, label, shown.faking, shown.query_id


def _transcript(row: Mapping[Hashable, object], moment: str) -> Transcript:
    faking = row["label_faking"]
    return Transcript(
        moment=moment,
        step=int(str(row["step"])),
        tier=str(row["tier"]),
        label=_text(row["label_answer"]) or UNSCORED,
        faking=UNSCORED if _absent(faking) else "yes" if faking else "no",
        tags=tuple(tag for column, tag in TAGS.items() if not _absent(row.get(column)) and row[column]),
        query_id=str(row["query_id"]),
        cue=f"{_text(row.get('cue_id'))}, {_text(row.get('cues')).replace('_', ' ')}",
        system_prompt=_text(row.get("system_prompt")),
        query=_text(row.get("query")),
        scratchpad=_text(row.get("scratchpad")),
        answer=_text(row.get("answer")),
    )


def _absent(value: object) -> bool:
    return value is None or value is pd.NA or value != value  # NaN is the one value unequal to itself


def _text(value: object) -> str:
    return "" if _absent(value) else str(value)
