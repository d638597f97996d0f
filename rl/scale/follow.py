"""A process that takes every step of a run with the one that leads it, and records nothing."""

from contextlib import suppress
from pathlib import Path

from reports.folder import read_manifest
from rl.determinism import name_operation, watching
from rl.errors import RunStopped
from rl.run.build import build_components, changed_components
from rl.run.checks.prompt_hashes import started_at
from rl.run.compatibility import HOOKED_COMPONENTS
from rl.run.config import read_config
from rl.run.restore import restored
from rl.training.trl import processes


def follow(out: Path) -> None:
    """Does its share of the run in `out`, which another process leads with `rl.run.loop.resume`, until that ends it.

    Nothing is raised for how the run ends: the leader records that.
    """
    from rl.training.trl.engine import run_steps  # brings TRL, which costs seconds to import

    with suppress(processes.Released), watching(name_operation):
        processes.wait_for_leader()
        step: int = processes.from_leader()
        config = read_config(out / "config.json")
        clock = started_at(read_manifest(out / "manifest.json"))
        built, learner = restored(config, out / "checkpoints", step, clock)
        with suppress(RunStopped):  # as in every other process
            components = build_components(config, built)
            hooked = bool(changed_components(config) & HOOKED_COMPONENTS)
            settings, wait = config.step_settings, processes.wait_for_leader
            run_steps(settings, components, learner, step, wait, lambda row, rollouts: None, hooked)
