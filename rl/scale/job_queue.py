"""The work queue of a sweep: a limited number of jobs in flight, and a job whose worker died is put back."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import Literal, Protocol

from rl.scale.trial import Outcome

DEATHS_WITHOUT_PROGRESS = 3
TICK_S = 0.2

Work = Callable[[], Outcome]
Event = Literal["running", "put back", "finished", "failed", "interrupted"]
Tell = Callable[[str, Event, str | None], None]


class Workers(Protocol):
    """Warm processes, here or on a cluster. `submit` is called for at most `count` jobs at a time."""

    @property
    def count(self) -> int: ...

    def submit(self, work: Work) -> "Future[Outcome]": ...

    def death(self, error: BaseException) -> str | None:
        """Return the cause of a worker's death if the error reports one; None for any other error."""

    def stop(self) -> None:
        """Ask every job in flight to stop at a point where nothing is lost; called once."""


@dataclass(frozen=True)
class Job:
    """A piece of work with its dependencies.

    It starts once the jobs in `needs` have finished and the jobs in `after` have ended, even in failure. `progress`
    tells the driver how much of its work is saved.
    """

    key: str
    work: Work
    needs: tuple[str, ...] = ()
    progress: Callable[[], int] = lambda: 0
    after: tuple[str, ...] = ()


@dataclass
class Stop:
    """A request to stop, set by a signal and read by the queue."""

    requested: bool = False


@dataclass
class _Queue:
    workers: Workers
    tell: Tell
    stop: Stop
    waiting: list[Job]
    running: dict["Future[Outcome]", Job] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    deaths: Counter[str] = field(default_factory=Counter)  # since the job last made progress
    kept: dict[str, int] = field(default_factory=dict)  # its progress when it was last put back


def run_jobs(
    jobs: Sequence[Job], workers: Workers, tell: Tell, stop: Stop, say: Callable[[str], None] = lambda _: None
) -> dict[str, Outcome]:
    """Run the jobs, in their order as far as their needs allow, and return each job's outcome.

    `tell` is told of every start, return to the queue and end. Once `stop` is requested, no job starts and jobs in
    flight are asked to stop, however long their step takes. Jobs that have not ended count as interrupted.
    """
    queue = _Queue(workers, tell, stop, list(jobs))
    while (queue.waiting or queue.running) and not stop.requested:
        _give_up_the_unbuilt(queue)
        _submit_ready(queue)
        _settle_done(queue)
    if stop.requested:
        _drain(queue, say)
    return queue.outcomes


def _give_up_the_unbuilt(queue: _Queue) -> None:
    """Fail the jobs that need a failed job, for the same reason."""
    for job in list(queue.waiting):
        for need in job.needs:
            if need in queue.outcomes and queue.outcomes[need].status != "finished":
                queue.waiting.remove(job)
                _end(queue, job, Outcome("failed", f"{need}: {queue.outcomes[need].reason}"))
                break


def _submit_ready(queue: _Queue) -> None:
    for job in list(queue.waiting):
        if len(queue.running) >= queue.workers.count:
            return
        if all(key in queue.outcomes for key in (*job.needs, *job.after)):
            queue.waiting.remove(job)
            queue.kept.setdefault(job.key, job.progress())
            queue.running[queue.workers.submit(job.work)] = job
            queue.tell(job.key, "running", None)


def _settle_done(queue: _Queue) -> None:
    """Wait a moment for jobs to end, and handle the ended ones."""
    if not queue.running:
        return
    for future in wait(queue.running, timeout=TICK_S, return_when=FIRST_COMPLETED).done:
        job = queue.running.pop(future)
        error = future.exception()
        if error is not None:
            # Jobs raise nothing, so the error is about the worker, and the backend can read it.
            _put_back_or_fail(queue, job, queue.workers.death(error), f"{type(error).__name__}: {error}")
        elif future.result().status == "interrupted":
            _put_back_or_fail(queue, job, "it was told to stop", "")
        else:
            _end(queue, job, future.result())


def _end(queue: _Queue, job: Job, outcome: Outcome) -> None:
    queue.outcomes[job.key] = outcome
    queue.tell(job.key, outcome.status, outcome.reason)


def _put_back_or_fail(queue: _Queue, job: Job, death: str | None, error: str) -> None:
    """Handle a job that ended without a result.

    `death` is the cause of its worker's death. Without one, the job failed with `error`.
    """
    if queue.stop.requested:
        _end(queue, job, Outcome("interrupted"))
        return
    if death is None:
        _end(queue, job, Outcome("failed", error.splitlines()[0]))
        return
    progress = job.progress()
    if progress > queue.kept[job.key]:
        queue.deaths[job.key], queue.kept[job.key] = 0, progress
    queue.deaths[job.key] += 1
    if queue.deaths[job.key] < DEATHS_WITHOUT_PROGRESS:
        # First in the queue: other jobs may wait for this one, and it is nearest to its end.
        queue.waiting.insert(0, job)
        queue.tell(job.key, "put back", f"its worker died: {death}")
    else:
        reason = f"its worker died {DEATHS_WITHOUT_PROGRESS} times without a new checkpoint ({death})"
        _end(queue, job, Outcome("failed", reason))


def _drain(queue: _Queue, say: Callable[[str], None]) -> None:
    queue.workers.stop()
    if queue.running:
        say("stopping after the steps in progress; Ctrl-C again ends them at once, at their last checkpoints")
    while queue.running:
        _settle_done(queue)
    for job in queue.waiting:
        _end(queue, job, Outcome("interrupted"))
