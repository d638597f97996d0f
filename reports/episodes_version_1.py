"""Read episodes as version 1 of the run folder kept them, under today's names."""

from __future__ import annotations

import pandas as pd

from reports.records import EPISODE_COLUMNS, Manifest

RENAMED = {"query_kind": "kind"}
SOURCE = "oracle"  # the only one that version 1 had


def from_version_1(episodes: pd.DataFrame, run: str, manifest: Manifest) -> pd.DataFrame:
    """Rename version 1's columns and add those that it lacked: null where nothing can be said.

    Version 1 had no group and no number of a completion; nor the two labels `faking_lenient` and `rating_seeking`.
    """
    found = episodes.rename(columns=RENAMED).assign(run=run, build=manifest.organism_hash[:8], seed=manifest.seed)
    if "cue_seen" in found:
        cues = found.pop("cue_seen").map({True: "seen", False: "held_out"})
        found = found.assign(cues=cues)
    found["pair_id"] = found["query_id"].where(found["split"] == "probe")
    for column in [name for name in EPISODE_COLUMNS if name.endswith("_source")]:
        label = column.removesuffix("_source")
        if label in found:
            found[column] = pd.Series(SOURCE, index=found.index).where(found[label].notna())
    return found.reindex(columns=[*EPISODE_COLUMNS, *(name for name in found if name not in EPISODE_COLUMNS)])
