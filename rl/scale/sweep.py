"""A sweep: many trials through a work queue, and pages over all of them.

The folders are the only state.
"""

import json
import os
import sys
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Literal

from checkpoints import atomic
from checkpoints.cache import default_root
from checkpoints.lineage import hash_config, short
from checkpoints.lock import writer_lock
from reports.report import write_report
from reports.study.study import write_study
from rl.determinism import BUILD_THREADS
from rl.errors import Interrupted
from rl.progress import bar
from rl.run.checks.judges import judges_of, require_judges
from rl.run.checks.reward_models import require_honest_help_best
from rl.run.config import RunConfig
from rl.run.environments import trusted_targets
from rl.run.folder import default_folder, mark_interrupted
from rl.run.stopping import signals
from rl.scale.builds import builds_of, distinct, failed_builds, note_build, on_build, run_build, unbuilt
from rl.scale.earlier_trials import earlier_trials, in_order
from rl.scale.job_queue import Event, Job, Stop, Workers, run_jobs
from rl.scale.table import Board, shown
from rl.scale.trial import Outcome, Surroundings, Trial, recorded_outcome, run_trial, saved_step

WORKERS_PER_GPU = 4
OVERLAY_FILES = ("report.html", "curves.png", "curves.svg")
STUDY_FILES = ("study.html", "study.png", "study.svg", "study.csv", "study_measures.csv")
ARMS_OF_AN_OVERLAY = 12  # with more of them a curve can't be told from the others


@dataclass(frozen=True)
class Sweep:
    """All trials of a sweep; `folder` is absolute."""

    name: str
    folder: Path
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class Fleet:
    """The backend and workers of a sweep.

    `workers` None: as many as the cores allow (on a cluster, its CPUs).
    """

    backend: Literal["ray", "local"] = "ray"
    workers: int | None = None
    threads: int = 1
    address: str | None = None


@dataclass(frozen=True)
class Result:
    """Outcomes of the planned trials, in their order, and the pages over all trials of the folder.

    `shown`: the finished trials, with those of earlier calls. `left_out`: the reasons why other trials aren't on the
    pages. `page` overlays all arms. `study` compares mitigations with their organisms' baselines. Each page is None
    where no trial has finished, or where the sweep has no such page.
    """

    outcomes: dict[str, Outcome]
    shown: tuple[Trial, ...]
    left_out: tuple[str, ...]
    page: Path | None
    study: Path | None
    worked: bool  # False where nothing was left to do


def plan(
    name: str,
    arms: Sequence[RunConfig],
    builds: Sequence[int],
    seeds: Sequence[int],
    threads: int,
    folder: Path | None,
) -> Sweep:
    """Lay out every arm on every build under every seed.

    All arms share builds and seeds, so that each has its pair in the baseline. A later call with more builds or seeds
    finds the finished trials in the same folder.
    """
    alike = [arm.model_copy(update={"seed": 0, "threads": threads}) for arm in arms]
    if folder is None:
        digest = short(hash_config([arm.model_dump(mode="json") for arm in alike]))
        folder = Path("runs") / f"{Path(name.rpartition(':')[2]).name}-{digest}"
    folder = folder.absolute()
    trials = []
    for arm in alike:
        for build, seed in product(builds, seeds):
            config = on_build(arm, build).model_copy(update={"seed": seed})
            run = default_folder(config, folder / "trials")
            trials.append(Trial(config, run, folder / "logs" / f"{run.name}.log"))
    return Sweep(name, folder, tuple(trials))


def run_sweep(sweep: Sweep, fleet: Fleet, retry_failed: bool, say: Callable[[str], None]) -> Result:
    """Run the remaining trials of the sweep and write its pages.

    Raises:
        ValueError: another driver holds the sweep's folder, or no Ray cluster answers.
        Interrupted: Ctrl-C or a termination signal; the trials in progress are checkpointed.
    """
    with writer_lock(sweep.folder):
        failed = failed_builds(sweep.folder)
        known = {trial.name: recorded_outcome(trial.folder) or unbuilt(trial.config, failed) for trial in sweep.trials}
        ended = {
            name: outcome
            for name, outcome in known.items()
            if outcome is not None and not (retry_failed and outcome.status == "failed")
        }
        pending = [trial for trial in sweep.trials if trial.name not in ended]
        _require_judges(pending)
        _require_honest_help_best(pending)
        try:
            found = _work(sweep, pending, ended, fleet, say) if pending else {}
        except KeyboardInterrupt:
            for trial in pending:
                mark_interrupted(trial.folder, wait_s=2)
            raise Interrupted(
                "interrupted at once: the trials keep their last checkpoints; run the same command again to go on"
            ) from None
        outcomes = {trial.name: {**ended, **found}[trial.name] for trial in sweep.trials}
        if any(outcome.status == "interrupted" for outcome in outcomes.values()):
            done = sum(outcome.status == "finished" for outcome in outcomes.values())
            raise Interrupted(
                f"interrupted: {done} of {len(outcomes)} trials are finished, the others keep their last checkpoint; "
                "run the same command again to go on"
            )
        earlier = earlier_trials(sweep.folder / "trials", sweep.folder / "logs", sweep.trials)
        planned = [trial for trial in sweep.trials if outcomes[trial.name].status == "finished"]
        finished = in_order([*planned, *earlier.finished])
        notes = [*failures(outcomes), *earlier.left_out]
        page, study = _pages(sweep, finished, notes, anew=bool(pending))
        return Result(outcomes, tuple(finished), earlier.left_out, page, study, worked=bool(pending))


def _require_judges(pending: Sequence[Trial]) -> None:
    """Try each judge of the trials once, before hours of builds.

    Raises:
        ValueError: in one line, with the fix.
    """
    for config in _once_each(pending, lambda config: tuple(judges_of(config).values())):
        require_judges(config)


def _require_honest_help_best(pending: Sequence[Trial]) -> None:
    """Refuse a ready reward that pays a constant policy as much as help, before hours of builds.

    Raises:
        ValueError: in one line, with the policy and the two means.
    """
    for config in _once_each(pending, lambda config: config.model_dump_json(include={"rewards", "env"})):
        require_honest_help_best(config.rewards, config.env)


def _once_each(pending: Sequence[Trial], of: Callable[[RunConfig], Hashable]) -> list[RunConfig]:
    """Return the first configuration with each value of `of`."""
    first: dict[Hashable, RunConfig] = {}
    for trial in pending:
        first.setdefault(of(trial.config), trial.config)
    return list(first.values())


def _work(
    sweep: Sweep, pending: Sequence[Trial], ended: dict[str, Outcome], fleet: Fleet, say: Callable[[str], None]
) -> dict[str, Outcome]:
    (sweep.folder / "logs").mkdir(exist_ok=True)
    builds = distinct([trial.config for trial in pending])
    stop = Stop()
    with _workers(sweep, fleet, max(len(pending), len(builds))) as workers, signals(stop):
        to_do = f"{len(pending)} of {len(sweep.trials)} trials to do, {workers.count} at a time"
        say(f"sweep folder: {shortest(sweep.folder)} ({to_do})")
        needs = {trial.name: [build.key for build in builds_of(trial.config)] for trial in pending}
        # The cores of a cluster's machines are unknown here: Ray spreads the work.
        side_by_side = workers.count if fleet.address else max(1, _cores() // BUILD_THREADS)
        with shown(Board(sweep.trials, needs, ended)) as show:

            def tell(key: str, event: Event, reason: str | None) -> None:
                if event in ("finished", "failed") and key in {build.key for build in builds}:
                    note_build(sweep.folder, key, reason)
                show(key, event, reason)

            return run_jobs(_jobs(sweep, pending, side_by_side), workers, tell, stop, say)


def _jobs(sweep: Sweep, pending: Sequence[Trial], side_by_side: int) -> list[Job]:
    """List the jobs: builds first, then trials, each of which needs its own builds.

    Each build is made once, and at most `side_by_side` at a time.
    """
    around = Surroundings(Path.cwd(), default_root().absolute(), tuple(trusted_targets()))
    builds = distinct([trial.config for trial in pending])
    jobs = []
    for number, build in enumerate(builds):
        after = (builds[number - side_by_side].key,) if number >= side_by_side else ()
        log = sweep.folder / "logs" / f"{build.key.replace(' ', '-')}.log"
        jobs.append(Job(build.key, partial(run_build, build, log, around), after=after))
    for trial in pending:
        needs = tuple(build.key for build in builds_of(trial.config))
        jobs.append(Job(trial.name, partial(run_trial, trial, around), needs, partial(saved_step, trial.folder)))
    return jobs


def _workers(sweep: Sweep, fleet: Fleet, jobs: int) -> AbstractContextManager[Workers]:
    import torch

    gpus = torch.cuda.device_count()
    if fleet.address is not None:
        from rl.scale.ray_workers import ray_workers  # Ray costs seconds to import

        return ray_workers(fleet.workers, fleet.threads, gpus, fleet.address)
    count = min(jobs, fleet.workers or default_workers(_cores(), fleet.threads, gpus))
    if fleet.backend == "local":
        from rl.scale.local_workers import local_workers

        return local_workers(count, gpus, sweep.folder / "logs" / "workers.log")
    from rl.scale.ray_workers import ray_workers

    return ray_workers(count, fleet.threads, gpus, None)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def default_workers(cores: int, threads: int, gpus: int) -> int:
    """Choose the number of workers: a core for each thread of each worker.

    With GPUs, at most `WORKERS_PER_GPU` workers share one.
    """
    fitting = max(1, cores // threads)
    return min(fitting, gpus * WORKERS_PER_GPU) if gpus else fitting


def _pages(
    sweep: Sweep, finished: Sequence[Trial], notes: Sequence[str], anew: bool
) -> tuple[Path | None, Path | None]:
    """Write the overlay and the study of all finished trials of the folder; the notes name the others.

    Pages are written if `anew`, or if those on disk show anything else.
    """
    if not finished:
        return None, None
    shows = {"sweep": sweep.name, "page": [trial.name for trial in finished], "notes": list(notes)}
    overlay, study = wanted_pages([trial.config for trial in finished])
    page = sweep.folder / "report.html" if overlay else None
    study_page = sweep.folder / "study.html" if study else None
    record, folders = sweep.folder / "sweep.json", [trial.folder for trial in finished]
    names = [*(OVERLAY_FILES if overlay else ()), *(STUDY_FILES if study else ())]
    if anew or not all((sweep.folder / name).exists() for name in names) or _read(record) != shows:
        with bar("report", brief=True) as update:
            update(0, overlay + study)
            if overlay:
                write_report(folders, sweep.folder, notes)
                update(1, overlay + study)
            if study:
                write_study(folders, sweep.folder, notes)
                update(overlay + study, overlay + study)
        atomic.write_text(record, json.dumps(shows, indent=2))
    return page, study_page


def wanted_pages(configs: Sequence[RunConfig]) -> tuple[bool, bool]:
    """Decide whether to write an overlay, and whether to write a study.

    A sweep of several organisms or of mitigations has a study. Every sweep has at least one of the two.
    """
    study = any(config.mitigations for config in configs) or len({config.organism for config in configs}) > 1
    return len({config.name for config in configs}) <= ARMS_OF_AN_OVERLAY or not study, study


def shortest(path: Path) -> Path:
    """Return the path relative to the working directory if it lies within, else the path itself."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _read(record: Path) -> object:
    try:
        return json.loads(record.read_text())
    except (OSError, ValueError):
        return None


def failures(outcomes: dict[str, Outcome]) -> list[str]:
    """Write a line for each failed trial."""
    return [f"{name} failed: {outcome.reason}" for name, outcome in outcomes.items() if outcome.status == "failed"]
