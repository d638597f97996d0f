"""The unit that an average over runs counts: builds, or seeds of RL within one build.

Runs of an arm agree in all settings but their seeds: that of RL, and those of the builds of organism and reward.
Effects of an arm vary far more between builds than between seeds of one build. So seeds are averaged within each build
first, and the spread over builds makes the interval. With a single build seeds are the unit, and a result holds for
that build alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from reports.folder import Run

Unit = Literal["builds", "seeds of one build", "run"]
Place = tuple[str, int]  # build and seed of RL: the runs of two arms at the same place are a pair

SCOPE: dict[Unit, str] = {"builds": "", "seeds of one build": "this build only", "run": "this run"}


def build_of(run: Run) -> str:
    """Name the organism's build: by its seed, or by its weights where it came from a directory.

    A scripted organism, which has no builds, is build 0.
    """
    organism = run.config.get("organism") or {}
    return run.manifest.organism_hash[:8] if organism.get("path") else str(organism.get("seed", 0))


def place_of(run: Run) -> Place:
    return build_of(run), run.manifest.seed


def written_place(run: Run) -> str:
    """Write the place of a run in words."""
    build, seed = place_of(run)
    return f"build {build} seed {seed}"


def arm_settings(run: Run) -> dict[str, Any]:
    """Return the settings that the runs of an arm share: all but the seeds and the output folder.

    The seeds of builds are left out where the organism is built. A rollout stream of 0 is no setting: folders from
    before it existed have none.
    """
    shared = {key: value for key, value in run.config.items() if key not in {"seed", "out"}}
    if not shared.get("rollout_stream"):
        shared.pop("rollout_stream", None)
    organism, rewards = shared.get("organism"), shared.get("rewards")
    if isinstance(organism, dict) and "seed" in organism and not organism.get("path"):
        shared["organism"] = _without_seed(organism)
        if isinstance(rewards, list):
            shared["rewards"] = [_without_seed(reward) for reward in rewards]
    return shared


def _without_seed(part: Any) -> Any:
    """Remove the seed of a build; a directory in place of a build keeps all of its settings."""
    if not isinstance(part, dict) or part.get("path"):
        return part
    return {key: value for key, value in part.items() if key != "seed"}


def arms_of(runs: Sequence[Run]) -> list[list[Run]]:
    """Group runs that share everything but their seeds, in the order of their first run."""
    groups: list[list[Run]] = []
    for run in runs:
        home = next((group for group in groups if arm_settings(group[0]) == arm_settings(run)), None)
        if home is None:
            groups.append([run])
        else:
            home.append(run)
    return groups


def places_are_distinct(runs: Sequence[Run]) -> bool:
    """Tell whether no two runs have the same build and the same seed."""
    return len({place_of(run) for run in runs}) == len(runs)


def unit_of(runs: Sequence[Run]) -> Unit:
    """Name what an average over the runs of one arm counts."""
    if len({build_of(run) for run in runs}) > 1:
        return "builds"
    return "seeds of one build" if len(runs) > 1 else "run"


def count_of(runs: Sequence[Run]) -> int:
    """Count the units behind the runs of one arm."""
    builds = {build_of(run) for run in runs}
    return len(builds) if len(builds) > 1 else len(runs)


def by_build(runs: Sequence[Run], value: Callable[[Run], float | None]) -> dict[str, list[float | None]]:
    """Collect a value of each run by build."""
    found: dict[str, list[float | None]] = {}
    for run in runs:
        found.setdefault(build_of(run), []).append(value(run))
    return found


def unit_values(runs: Sequence[Run], value: Callable[[Run], float | None]) -> list[float | None]:
    """Return a value for each unit: the mean over the scored seeds of each build; with one build, each seed's own.

    A build without a scored seed is None, which is unscored.
    """
    found = by_build(runs, value)
    if len(found) == 1:
        return next(iter(found.values()))
    return [_mean([one for one in values if one is not None]) for values in found.values()]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
