"""A trial of a sweep: one resumable run in its own folder, and a worker's treatment of it."""

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from checkpoints import store
from checkpoints.lock import writer_lock
from reports.folder import read_manifest
from rl.errors import BuildFailed, Interrupted, RunStopped
from rl.policy.cpu.memory import release_memory
from rl.run.config import RunConfig
from rl.run.environments import trust
from rl.run.stopping import end, handling

LOCK_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Trial:
    """A run of a sweep.

    `folder` and `log` are absolute: a worker may have another working directory.
    """

    config: RunConfig
    folder: Path
    log: Path

    @property
    def name(self) -> str:
        return self.folder.name


@dataclass(frozen=True)
class Outcome:
    """The end of a job.

    `reason` is one line, for a failed job.
    """

    status: Literal["finished", "failed", "interrupted"]
    reason: str | None = None


@dataclass(frozen=True)
class Surroundings:
    """Settings that a worker shares with the driver.

    `directory`: the working directory, for relative paths in a configuration. `cache`: the folder of builds.
    `trusted`: targets of custom environments that may run.
    """

    directory: Path
    cache: Path
    trusted: tuple[str, ...] = ()


def recorded_outcome(folder: Path) -> Outcome | None:
    """Read the trial's outcome from its folder; None for a trial to begin or continue."""
    if not (folder / "manifest.json").exists():
        return None
    try:
        manifest = read_manifest(folder / "manifest.json")
    except ValueError as error:
        return Outcome("failed", str(error))
    if manifest.status == "finished":
        return Outcome("finished")
    return (
        Outcome("failed", _one_line(manifest.reason or "no reason recorded")) if manifest.status == "failed" else None
    )


def saved_step(folder: Path) -> int:
    """Return the step of the last checkpoint; -1 before the first.

    A killed worker's progress is kept up to this step.
    """
    found = store.latest(folder / "checkpoints")
    return -1 if found is None else found


def run_trial(trial: Trial, surroundings: Surroundings) -> Outcome:
    """Start or continue the trial and take it to its end; never raises."""
    return contained(lambda: _train_or_resume(trial), trial.log, surroundings)


def _train_or_resume(trial: Trial) -> None:
    from rl.run.loop import resume, train

    _wait_until_free(trial.folder)
    if (trial.folder / "manifest.json").exists():
        resume(trial.folder)
    else:
        train(trial.config, trial.folder)


def _wait_until_free(folder: Path) -> None:
    """Wait until no other worker writes to the folder.

    A worker that was given up a moment ago, for example because its node died, may still write.
    """
    until = time.monotonic() + LOCK_PATIENCE_S
    while folder.exists():
        try:
            with writer_lock(folder):
                return
        except ValueError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def contained(work: Callable[[], object], log: Path, surroundings: Surroundings) -> Outcome:
    """Run the work of a job: its output goes to the log, and an exception becomes the outcome."""
    outcome = _outcome(work, log, surroundings)
    with suppress(RuntimeError):  # from a broken GPU: the outcome says so
        release_memory()  # not before: an exception's frames hold the run's tensors
    return outcome


def _outcome(work: Callable[[], object], log: Path, surroundings: Surroundings) -> Outcome:
    try:
        _enter(log, surroundings)
        with _output_to(log), handling(end):
            try:
                work()
            except (Interrupted, KeyboardInterrupt):
                raise
            except BaseException:
                traceback.print_exc()
                raise
    except (Interrupted, KeyboardInterrupt):
        return Outcome("interrupted")
    except (ValueError, RunStopped, BuildFailed) as error:
        return Outcome("failed", _reason(str(error), log))
    except BaseException as error:  # noqa: BLE001 - whatever a run raises is its own end, not the sweep's
        return Outcome("failed", _reason(f"{type(error).__name__}: {error}\n", log))
    return Outcome("finished")


def _enter(log: Path, surroundings: Surroundings) -> None:
    os.environ["GYGES_CACHE"] = str(surroundings.cache)
    for target in surroundings.trusted:
        trust(target)
    try:
        os.chdir(surroundings.directory)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
    except OSError as error:
        raise ValueError(
            f"the worker can't use {error.filename} ({error.strerror}): it must see the driver's working directory and "
            "the sweep's folder under the same paths"
        ) from error


def _reason(message: str, log: Path) -> str:
    """Shorten a message to one line; a longer message refers to the log in the sweep's folder."""
    return f"{_one_line(message)} (see {log.parent.name}/{log.name})" if "\n" in message else message


def _one_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[0]


@contextmanager
def _output_to(log: Path) -> Iterator[None]:
    """Send standard output and error to the file, with those of C libraries.

    Other output would cross the driver's table.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(descriptor) for descriptor in (1, 2)]
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        for descriptor in (1, 2):
            os.dup2(file, descriptor)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, original in zip((1, 2), saved, strict=True):
            os.dup2(original, descriptor)
            os.close(original)
        os.close(file)
