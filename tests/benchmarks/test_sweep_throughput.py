from collections.abc import Callable
from concurrent.futures import Future

import pytest

from benchmarks.contest.stock_trl import settings
from benchmarks.sweep_throughput import Arrangement, _rounds, main
from rl.algorithms.rloo import RLOO
from rl.run.config import RunConfig
from rl.scale.trial import Outcome, Surroundings, Trial


class AtOnce:
    """Two workers that do a job as it is given to them."""

    count = 2

    def submit(self, work: Callable[[], Outcome]) -> "Future[Outcome]":
        done: Future[Outcome] = Future()
        done.set_result(work())
        return done

    def death(self, error: BaseException) -> str | None:
        return None

    def stop(self) -> None: ...

    def kill(self) -> None: ...


def test_every_arrangement_takes_the_same_trials_and_the_first_round_is_not_measured() -> None:
    taken: list[tuple[str, int]] = []

    def arrangement(name: str) -> Arrangement:
        def take(trial: Trial, _: Surroundings) -> Outcome:
            taken.append((name, trial.config.seed))
            return Outcome("finished")

        return Arrangement(name, AtOnce(), RunConfig(), take)

    seconds = _rounds([arrangement("a"), arrangement("b")], rounds=1, trials=2)
    a, b = [("a", 0), ("a", 1)], [("b", 0), ("b", 1)]
    assert taken == [*a, *b, *b, *a]  # the second round begins with the other
    assert {name: len(times) for name, times in seconds.items()} == {"a": 1, "b": 1}


def test_a_trial_that_fails_ends_the_measurement() -> None:
    failing = Arrangement("a", AtOnce(), RunConfig(), lambda *_: Outcome("failed", "no disk"))
    with pytest.raises(RuntimeError, match="a trial of a failed: no disk"):
        _rounds([failing], rounds=1, trials=1)


def test_what_stock_trl_cannot_take_is_refused_with_how_to_leave_it_out() -> None:
    with pytest.raises(ValueError, match="--no-trl"):
        settings(RunConfig(algorithm=RLOO()), steps=1)


def test_our_own_build_of_trl_is_not_measured_as_the_built_in_engine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--set", "engine=trl"]) == 2
    assert "leave engine at builtin" in capsys.readouterr().err
