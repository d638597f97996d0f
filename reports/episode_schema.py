"""Define the one schema of a run's episode files: columns, their order and their types, fixed before the first row."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from reports.records import EPISODE_COLUMNS, MEASURE_PREFIX, REWARD_PREFIX, SAID_PREFIX

_WHOLE_NUMBERS = frozenset({"seed", "step", "group", "sample", "scratchpad_tokens", "answer_tokens"})
_NUMBERS = frozenset({"reward_total", "advantage"})
_FLAGS = frozenset(
    {
        *("label_faking", "label_faking_lenient", "label_rating_seeking", "label_faking_criteria"),
        *("label_self_preservation", "label_tier_aware", "well_formed", "parse_ok"),
    }
)


def episode_schema(said: Iterable[str] = (), noted: Iterable[str] = (), rewards: Iterable[str] = ()) -> pa.Schema:
    """Build the schema of a run from what it declares.

    `said`: follow-up texts, behind the answer; `noted`: numbers that mitigations note of a rollout, a monitor's score
    among them, behind the labels; `rewards`: the reward components, before their sum.
    """
    declared = {
        "answer": [SAID_PREFIX + name for name in said],
        "label_error": [*(MEASURE_PREFIX + name for name in noted), *(REWARD_PREFIX + name for name in rewards)],
    }
    names = [name for column in EPISODE_COLUMNS for name in (column, *declared.get(column, ()))]
    assert len(set(names)) == len(names), f"a column is declared twice: {names}"
    return pa.schema([pa.field(name, _type(name)) for name in names])


def _type(name: str) -> pa.DataType:
    if name.startswith((MEASURE_PREFIX, REWARD_PREFIX)) or name in _NUMBERS:
        return pa.float64()
    if name in _WHOLE_NUMBERS:
        return pa.int64()
    return pa.bool_() if name in _FLAGS else pa.string()
