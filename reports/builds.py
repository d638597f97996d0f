"""Name the builds that runs start from, for a figure or a page."""

from __future__ import annotations

from collections.abc import Sequence

from reports.folder import Run

SHOWN = 8  # characters of a hash


def named_builds(runs: Sequence[Run]) -> str:
    """Name each organism with the builds of it: `faker (build 1a2b3c4d)`, several of them separated by commas."""
    builds: dict[str, list[str]] = {}
    for run in runs:
        known = builds.setdefault(run.manifest.organism, [])
        if (build := run.manifest.organism_hash[:SHOWN]) not in known:
            known.append(build)
    return ", ".join(
        f"{organism} (build{'s' if len(known) > 1 else ''} {', '.join(known)})" for organism, known in builds.items()
    )
