"""What a worker makes of a job, whatever becomes of it."""

import gc
import weakref
from pathlib import Path

import pytest

from rl.run.environments import trusted_targets
from rl.scale.trial import Outcome, Surroundings, contained


class Model:
    """Something that only the garbage collector frees."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Surroundings:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GYGES_CACHE", str(tmp_path / "before"))
    return Surroundings(tmp_path, tmp_path / "cache")


def test_what_a_worker_cannot_see_is_the_reason(around: Surroundings, tmp_path: Path) -> None:
    elsewhere = Surroundings(tmp_path / "absent", around.cache)
    outcome = contained(lambda: None, tmp_path / "logs" / "a.log", elsewhere)
    assert outcome.status == "failed"
    assert f"the worker can't use {tmp_path / 'absent'} (No such file or directory)" in str(outcome.reason)
    (tmp_path / "file").write_text("")
    outcome = contained(lambda: None, tmp_path / "file" / "a.log", around)
    assert f"the worker can't use {tmp_path / 'file'}" in str(outcome.reason)


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_of_a_run_is_kept_for_the_next(fails: bool, around: Surroundings, tmp_path: Path) -> None:
    kept: list[weakref.ref[Model]] = []

    def work() -> None:
        model = Model()
        kept.append(weakref.ref(model))
        gc.freeze()  # as a step with TRL does
        if fails:
            raise ValueError("no more steps")

    outcome = contained(work, tmp_path / "logs" / "a.log", around)
    assert outcome == (Outcome("failed", "no more steps") if fails else Outcome("finished"))
    assert kept[0]() is None


def test_a_worker_trusts_the_environments_that_its_driver_trusts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GYGES_CACHE", "unset")
    monkeypatch.setenv("GYGES_TRUSTED_TARGETS", "")
    monkeypatch.chdir(tmp_path)
    found: list[str] = []
    around = Surroundings(tmp_path, tmp_path / "cache", ("mine:Env", "yours:Env"))
    contained(lambda: found.extend(trusted_targets()), tmp_path / "log.txt", around)
    assert found == ["mine:Env", "yours:Env"]
