"""Trials left in a sweep's folder by earlier calls: trials of other seeds, arms or settings than planned."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reports.folder import read_manifest
from rl.run.config import RunConfig, read_config
from rl.run.folder import resume_command
from rl.scale.builds import build_seeds, on_build
from rl.scale.trial import Trial, recorded_outcome


@dataclass(frozen=True)
class Earlier:
    """Trials outside the plan.

    `finished`: the finished ones. `left_out`: a line for each of the others.
    """

    finished: tuple[Trial, ...]
    left_out: tuple[str, ...]


def earlier_trials(trials: Path, logs: Path, planned: Sequence[Trial]) -> Earlier:
    """Read the folder of a sweep's trials, without the `planned` ones."""
    known = {trial.folder for trial in planned}
    finished: list[Trial] = []
    left_out: list[str] = []
    for folder in sorted(path for path in trials.glob("*") if path.is_dir() and path not in known):
        found = _finished(folder, logs, [*planned, *finished])
        if isinstance(found, Trial):
            finished.append(found)
        else:
            left_out.append(f"{folder.name} is left out: {found}")
    return Earlier(tuple(finished), tuple(left_out))


def _finished(folder: Path, logs: Path, others: Sequence[Trial]) -> Trial | str:
    """Read the trial of this folder, or return the reason why it is left out."""
    try:
        config = read_config(folder / "config.json")
    except ValueError as error:
        return str(error)
    twin = next((other for other in others if other.config == config), None)
    if twin is not None:  # such as a trial of another version, which names its folders otherwise
        return f"its configuration is that of {twin.name}"
    outcome = recorded_outcome(folder)
    if outcome is None:
        return f"it has not finished ({_standing(folder)}); `{resume_command(folder)}` continues it"
    if outcome.status == "failed":
        return f"it failed ({outcome.reason})"
    return Trial(config, folder, logs / f"{folder.name}.log")


def _standing(folder: Path) -> str:
    manifest = folder / "manifest.json"
    return f"its status is {read_manifest(manifest).status}" if manifest.is_file() else "it was not begun"


def in_order(trials: Sequence[Trial]) -> list[Trial]:
    """Sort trials by arm, in the order in which arms first appear, and by build and seed within an arm."""

    def arm(trial: Trial) -> RunConfig:
        return on_build(trial.config, 0).model_copy(update={"seed": 0})

    def place(trial: Trial) -> tuple[int, int]:
        return max(build_seeds(trial.config).values(), default=0), trial.config.seed

    arms: list[RunConfig] = []
    for trial in trials:
        if arm(trial) not in arms:
            arms.append(arm(trial))
    return sorted(trials, key=lambda trial: (arms.index(arm(trial)), place(trial)))
