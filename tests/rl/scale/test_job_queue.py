"""The queue on scripted workers: what dies is put back, what fails fails alone, what is needed comes first."""

import os
import signal
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field

import pytest

from rl.run.stopping import REPEAT_S, signals
from rl.scale.job_queue import Event, Job, Stop, Work, run_jobs
from rl.scale.trial import Outcome

FINISHED = Outcome("finished")


class Died(Exception):
    """Error of the scripted backend in place of a worker's death."""


@dataclass
class Scripted:
    """Workers whose jobs end at once, in the driver's process; `most` is how many were ever asked for together."""

    count: int = 2
    stopped: int = 0
    held: "list[Future[Outcome]]" = field(default_factory=list)

    def submit(self, work: Work) -> "Future[Outcome]":
        future: Future[Outcome] = Future()
        try:
            future.set_result(work())
        except TimeoutError:
            self.held.append(future)  # it goes on for ever
        except Exception as error:  # noqa: BLE001 - handed to the queue, as a backend does
            future.set_exception(error)
        return future

    def death(self, error: BaseException) -> str | None:
        return str(error) if isinstance(error, Died) else None

    def stop(self) -> None:
        self.stopped += 1
        for future in self.held:
            future.set_result(Outcome("interrupted"))


def scripted(ends: Iterable[object]) -> Callable[[], Outcome]:
    """A job that ends in turn as given: with an outcome, or an error."""
    script = iter(ends)

    def work() -> Outcome:
        end = next(script)
        if isinstance(end, Exception):
            raise end
        assert isinstance(end, Outcome)
        return end

    return work


Events = list[tuple[str, Event, str | None]]


def run(*jobs: Job, workers: Scripted | None = None, stop: Stop | None = None) -> tuple[dict[str, Outcome], Events]:
    events: Events = []
    outcomes = run_jobs(
        jobs,
        workers or Scripted(),
        lambda key, event, reason: events.append((key, event, reason)),
        stop or Stop(),
    )
    return outcomes, events


def test_jobs_are_done_in_order_and_each_is_told_of() -> None:
    outcomes, events = run(*(Job(key, scripted([FINISHED])) for key in "abc"), workers=Scripted(1))
    assert outcomes == dict.fromkeys("abc", FINISHED)
    assert [(key, event) for key, event, _ in events] == [(k, e) for k in "abc" for e in ("running", "finished")]


def test_no_more_are_in_flight_than_there_are_workers() -> None:
    most = 0

    class Counting(Scripted):
        def submit(self, work: Work) -> "Future[Outcome]":
            nonlocal most
            future: Future[Outcome] = Future()
            self.held.append(future)
            most = max(most, sum(not held.done() for held in self.held))
            if len(self.held) % 2 == 0:
                for held in self.held:
                    if not held.done():
                        held.set_result(FINISHED)
            return future

    run(*(Job(key, scripted([FINISHED])) for key in "abcd"), workers=Counting(2))
    assert most == 2


def test_a_job_whose_worker_died_is_put_back_and_done() -> None:
    outcomes, events = run(Job("a", scripted([Died("killed"), FINISHED])), Job("b", scripted([FINISHED])))
    assert outcomes == dict.fromkeys("ab", FINISHED)
    assert ("a", "put back", "its worker died: killed") in events


def test_three_deaths_without_progress_are_a_failure_and_the_others_go_on() -> None:
    script = scripted([Died("killed by SIGKILL")] * 3)
    outcomes, events = run(Job("a", script), Job("b", scripted([FINISHED])))
    reason = "its worker died 3 times without a new checkpoint (killed by SIGKILL)"
    assert outcomes == {"a": Outcome("failed", reason), "b": FINISHED}
    assert [event for key, event, _ in events if key == "a"] == [
        *["running", "put back"] * 2,
        "running",
        "failed",
    ]


def test_deaths_between_checkpoints_are_no_failure() -> None:
    steps = iter(range(100))
    script = scripted([*[Died("killed")] * 6, FINISHED])
    outcomes, _ = run(Job("a", script, progress=lambda: next(steps)))
    assert outcomes == {"a": FINISHED}


def test_what_fails_for_its_own_reason_is_not_tried_again() -> None:
    outcomes, events = run(
        Job("a", scripted([Outcome("failed", "no gradient")])), Job("b", scripted([TypeError("can't pickle\nit")]))
    )
    assert outcomes == {"a": Outcome("failed", "no gradient"), "b": Outcome("failed", "TypeError: can't pickle")}
    assert [event for _, event, _ in events].count("put back") == 0


def test_what_a_job_needs_is_finished_before_it_and_its_failure_is_the_jobs() -> None:
    outcomes, events = run(
        Job("model", scripted([Died("killed"), FINISHED])),
        Job("organism", scripted([Outcome("failed", "missed its tolerances")])),
        Job("a", scripted([FINISHED]), ("model",)),
        Job("b", scripted([]), ("model", "organism")),
        Job("c", scripted([FINISHED])),
    )
    assert outcomes["b"] == Outcome("failed", "organism: missed its tolerances")
    assert (outcomes["a"], outcomes["c"]) == (FINISHED, FINISHED)
    order = [(key, event) for key, event, _ in events]
    assert order.index(("model", "finished")) < order.index(("a", "running"))
    assert ("b", "running") not in order


def test_what_comes_after_a_job_waits_for_it_even_where_it_fails() -> None:
    outcomes, events = run(
        Job("a", scripted([Died("killed"), Outcome("failed", "missed")])), Job("b", scripted([FINISHED]), after=("a",))
    )
    assert outcomes["b"] == FINISHED
    order = [(key, event) for key, event, _ in events]
    assert order.index(("a", "failed")) < order.index(("b", "running"))


def test_a_worker_that_someone_else_stopped_is_put_back() -> None:
    outcomes, events = run(Job("a", scripted([Outcome("interrupted"), FINISHED])))
    assert outcomes == {"a": FINISHED}
    assert ("a", "put back", "its worker died: it was told to stop") in events


def never_ending(stop: Stop) -> Callable[[], Outcome]:
    def work() -> Outcome:
        stop.requested = True
        raise TimeoutError

    return work


def test_a_stop_is_asked_for_once_and_starts_nothing() -> None:
    stop, workers = Stop(), Scripted(1)
    jobs = [Job("a", never_ending(stop)), Job("b", scripted([]))]
    outcomes, _ = run(*jobs, workers=workers, stop=stop)
    assert outcomes == dict.fromkeys("ab", Outcome("interrupted"))
    assert workers.stopped == 1


def test_a_job_is_waited_for_until_a_second_ctrl_c() -> None:
    said: list[str] = []

    class Deaf(Scripted):
        def stop(self) -> None:
            self.stopped += 1

    workers = Deaf(1)

    def interrupt() -> Outcome:
        os.kill(os.getpid(), signal.SIGINT)
        for seconds in (0.1, REPEAT_S + 0.2):  # the first is a repeat: a terminal and a wrapper both signal
            threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT)).start()
        raise TimeoutError  # it goes on for ever

    stop = Stop()
    with pytest.raises(KeyboardInterrupt), signals(stop):
        run_jobs([Job("a", interrupt)], workers, lambda *_: None, stop, said.append)
    assert workers.stopped == 1
    assert said == ["stopping after the steps in progress; Ctrl-C again ends them at once, at their last checkpoints"]
