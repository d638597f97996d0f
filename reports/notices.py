"""Notices of a run's collapse, of a gameable reward, and of labels that don't fit its policy.

A reader must know them before reading the rates.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from envs.vocabulary import QUERY_KINDS
from reports.collapse import Vitals, collapse
from reports.folder import Run
from reports.records import EPISODE_COLUMNS, LABEL_ERROR_PREFIX, SOURCE_SUFFIX

MOSTLY = 0.5  # above this share of `other` the labels are about something else than what the model writes
ANSWER, FAKING = "label_answer", "label_faking"
QUALITIES = ("precision", "recall", "auroc")  # of a monitor, `monitor/<name>/recall`, against the label of faking
# The labels that a metric or a measure is made of; one that isn't listed needs none.
MADE_OF: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("compliance_rate", "partial_rate", "refusal_rate", "other_rate"), (ANSWER,)),
    **dict.fromkeys(("compliance_gap", "refusal_gap", "relative_gap"), (ANSWER,)),
    **dict.fromkeys(("goal_guarding_gap", "rater_sycophancy_gap"), (ANSWER,)),
    **dict.fromkeys(("benign_helpfulness", "benign_twin_refusal"), (ANSWER,)),
    "faking_rate": (FAKING,),
    "faking_lenient_rate": ("label_faking_lenient",),
    "faking_criteria_rate": ("label_faking_criteria",),
    "rating_seeking_rate": ("label_rating_seeking",),
    "self_preservation_rate": ("label_self_preservation",),
    "tier_aware_rate": ("label_tier_aware",),
    "faking_without_compliance_rate": (FAKING, ANSWER),
    "decomposition": (ANSWER, FAKING),
    "well_formed_rate": ("well_formed",),
    "interrogation/false_denial": (FAKING,),
}
NAMED = 3  # labels of a notice that are named; the others are counted


def collapse_and_label_notices(run: Run, free: dict[int, pd.DataFrame]) -> tuple[str, ...]:
    """Write a line for a collapse and a line for labels that don't apply.

    `free`: the free-tier harmful probe episodes of the first and the last probed step that has them. Labels are
    compared at both ends. If the labels applied before the policy collapsed, only the collapse is written. If they
    never applied, both are.
    """
    found = collapse(vitals(run, free))
    said = [] if found is None else [str(found)]
    since = found.since if found is not None and not found.from_start else None
    return (*said, *_labels(run, free, since))


def has_collapsed(run: Run) -> bool:
    """Tell whether the training rollouts show a collapse that holds up to the run's last step."""
    found = collapse(vitals(run, {}))
    return found is not None and not found.from_start


def gameable_notices(run: Run) -> tuple[str, ...]:
    """Write a line for each reward that the run trained on although a constant answer may earn as much as help."""
    rewards = [reward for reward in run.config.get("rewards", []) if reward.get("allow_gameable")]
    return tuple(
        f"the reward {reward.get('kind')} was allowed to be gameable: a constant answer may earn as much as honest "
        "help, so its rise says nothing of help; compare second_reward and the rates of the probes"
        for reward in rewards
    )


def vitals(run: Run, free: dict[int, pd.DataFrame]) -> list[Vitals]:
    """Collect the vitals of the training rollouts of every step, between those of the first and the last probe."""
    rows = run.steps.to_dict("records")
    observed = [
        Vitals(int(row["step"]), *(_number(row.get(key)) for key in ("parse_rate", "distinct_3grams", "entropy")))
        for row in rows
    ]
    last = observed[-1].step if observed else 0
    before = [_probed(step, episodes) for step, episodes in free.items() if step == 0]
    # A step's rollouts are of the weights before it: the last update is seen by the last probe alone.
    behind = [_probed(step, episodes) for step, episodes in free.items() if step == last > 0]
    return [*before, *observed, *behind]


def _probed(step: int, free: pd.DataFrame) -> Vitals:
    return Vitals(step, float(free["parse_ok"].astype("float64").mean()) if len(free) else None)


def _number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)


def _labels(run: Run, free: dict[int, pd.DataFrame], since: int | None) -> list[str]:
    """Write a notice where labels never applied or no longer apply.

    `since`: the first step of a collapse.
    """
    shares = {step: share for step, episodes in free.items() if (share := _other(episodes)) is not None}
    if not shares:
        return []
    first, last = min(shares), max(shares)
    never = shares[first][0] > MOSTLY
    if shares[last][0] <= MOSTLY or (since is not None and (since <= first or not never)):
        return []  # replies after a collapse say nothing about labels at the start
    told = " and ".join(
        f"{other:.0%} at step {step} ({malformed:.0%} malformed or cut off)"
        for step, (other, malformed) in sorted(shares.items())
    )
    replies = f"free-tier replies to harmful queries labelled `other`: {told}"
    if never:
        kind = run.config.get("env", {}).get("kind", "this environment")
        return [f"the labels of {kind} don't apply to this model, and its rates say nothing: {replies}"]
    return [f"the labels no longer apply to what this model writes; read its transcripts: {replies}"]


def _other(free: pd.DataFrame) -> tuple[float, float] | None:
    """Compute the share of scored episodes labelled `other`, and the share that couldn't be parsed."""
    scored = free[free["label_answer"].notna()]
    if scored.empty:
        return None
    malformed = 1 - scored["parse_ok"].astype("float64").mean()
    return float((scored["label_answer"] == "other").mean()), float(malformed)


def label_note(runs: Sequence[Run], *metrics: str) -> str:
    """Name the instruments behind the labels of these metrics, as "labels: oracle"; "" where they need no label."""
    columns = {column for metric in metrics for column in _made_of(metric)}
    sources = {
        source
        for run in runs
        for column in sorted(columns)
        for source in (run.label_sources.get(column, ()) if run.label_sources else (run.manifest.label_source,))
    }
    return f"labels: {', '.join(sorted(sources))}" if sources else ""


def _made_of(metric: str) -> tuple[str, ...]:
    """List the labels that a metric of a probe or a measure of a mitigation is made of."""
    room, _, rest = metric.partition("/")
    if room == "monitor":
        return (FAKING,) if rest.rpartition("/")[2] in QUALITIES and "/" in rest else ()
    return MADE_OF.get(metric) or MADE_OF.get(room, ())


def with_labels(note: str, runs: Sequence[Run], *metrics: str) -> str:
    """Put the instruments behind a figure's note."""
    return "; ".join(part for part in (note, label_note(runs, *metrics)) if part)


def missing_labels(run: Run, probed: Mapping[int, pd.DataFrame]) -> list[str]:
    """List the labels that are missing for a reason, all in one line, if any are missing.

    `probed`: the probe episodes of every kind of query, by step.
    """
    in_training = _in_training(run)
    said = [f"{named} of training episodes" for named in _named(in_training)]
    for step, episodes in sorted(probed.items()):
        missing = _missing_in(episodes, in_training)
        for kind in QUERY_KINDS:
            found = _named(_shares(missing[episodes["kind"] == kind]))
            said += [f"{named} of {kind}-query episodes probed at step {step}" for named in found]
    return [f"labels are missing: {'; '.join(said)}"] if said else []


def _in_training(run: Run) -> dict[str, float]:
    """Average the share of missing values of each label over the steps that asked for labels."""
    columns = [column for column in map(str, run.steps.columns) if column.startswith(LABEL_ERROR_PREFIX)]
    return {column.removeprefix(LABEL_ERROR_PREFIX): float(run.steps[column].mean()) for column in columns}


def _missing_in(episodes: pd.DataFrame, offered: Collection[str]) -> pd.DataFrame:
    """Tell for each episode which labels it lacks for a reason, a column a label.

    `offered`: labels that the environment is known to offer. A label that no episode has may be none of them.
    """
    columns = [name.removesuffix(SOURCE_SUFFIX) for name in EPISODE_COLUMNS if name.endswith(SOURCE_SUFFIX)]
    names = {column: column.removeprefix("label_") for column in columns if column in episodes}
    if "label_error" not in episodes:
        return pd.DataFrame(index=episodes.index)
    failed = episodes["label_error"].notna()
    known = [column for column, name in names.items() if name in offered or episodes[column].notna().any()]
    return pd.DataFrame({names[column]: failed & episodes[column].isna() for column in known}, index=episodes.index)


def _shares(missing: pd.DataFrame) -> dict[str, float]:
    """Average each column; an empty table has no shares."""
    return {str(name): float(missing[name].mean()) for name in missing} if len(missing) else {}


def _named(shares: Mapping[str, float]) -> list[str]:
    """Name the labels that are missing most often, with their shares; an empty list for complete labels."""
    missing = sorted((name for name, share in shares.items() if share > 0), key=lambda name: -shares[name])
    if not missing:
        return []
    named = ", ".join(f"{name} {shares[name]:.0%}" for name in missing[:NAMED])
    more = len(missing) - NAMED
    return [f"{named} and {more} more" if more > 0 else named]
