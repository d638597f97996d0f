"""Runs of two workers under Ray Train: they outlive their workers, stop when told to, and leave nothing behind."""

import json
import os
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

import rl.scale.ray_train
from checkpoints import store
from rl.run.config import RunConfig, resolve
from rl.scale.ray_train import resume_on_workers, train_on_workers
from tests.rl.conftest import Child, command, fork, rows, same_run
from tests.rl.training.trl.two_processes import lead_or_follow, on_two, together

ROOT = Path(__file__).parents[3]
PATIENCE_S = 600

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks for processes in /proc")


def until(condition: Callable[[], Any], driver: Child | None = None) -> None:
    """Waits for a condition that a slow machine may take long to reach."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        assert driver is None or driver.running(), "the driver has ended"
        time.sleep(0.02)


@dataclass(frozen=True)
class Place:
    """Surroundings of a driver: a home folder and a folder for temporary files of its own, both empty before."""

    run: Path
    home: Path
    temporary: Path
    output: Path

    def enter(self) -> None:
        """Set up the driver's process: a process group of its own, as a shell would give it, and its folders."""
        os.setpgid(0, 0)
        paths = {"HOME": self.home, "TMPDIR": self.temporary, "PYTHONPATH": ROOT, "MPLCONFIGDIR": self.run.parent}
        os.environ |= {name: str(path) for name, path in paths.items()}
        tempfile.tempdir = None

    def gyges(self, *arguments: str, prepare: Callable[[], object] = lambda: None) -> Child:
        def enter() -> None:
            self.enter()
            prepare()

        return fork(command(arguments, enter), self.output)

    def processes(self) -> list[psutil.Process]:
        """Whatever has a file open in this folder for temporary files, deleted or not: Ray and the workers."""
        found = []
        for process in psutil.process_iter():
            with suppress(OSError, psutil.Error):  # it has just ended
                files = [str(file.readlink()) for file in Path(f"/proc/{process.pid}/fd").iterdir()]
                if any(file.startswith(f"{self.temporary}/") for file in files):
                    found.append(process)
        return found

    def nothing_left(self) -> bool:
        return not [*self.home.iterdir(), *self.temporary.iterdir(), *self.processes()]

    def steps(self) -> int:
        file = self.run / "steps.jsonl"
        return file.read_bytes().count(b"\n") if file.exists() else 0

    def leader(self) -> int | None:
        """The process that holds the run folder."""
        try:
            return int(json.loads((self.run / "run.lock.json").read_text())["pid"])
        except (FileNotFoundError, ValueError):
            return None

    def workers(self) -> set[int]:
        found = set()
        for process in self.processes():
            with suppress(psutil.Error):
                if "RayTrainWorker" in " ".join(process.cmdline()):
                    found.add(process.pid)
        return found

    def listening(self, driver: Child) -> set[tuple[str, str]]:
        """The sockets on which the driver and its processes listen: whose they are, and the address."""
        found = set()
        top = psutil.Process(driver.pid)
        for process in {top, *top.children(recursive=True), *self.processes()}:
            with suppress(psutil.Error):
                for connection in process.net_connections("inet"):
                    if connection.status == psutil.CONN_LISTEN:
                        address = str(connection.laddr.ip).removeprefix("::ffff:")
                        found.add((" ".join(process.cmdline()).strip()[-60:], address))
        return found

    def follower(self) -> int:
        (follower,) = self.workers() - {self.leader()}
        return follower

    def manifest(self) -> dict[str, Any]:
        return dict(json.loads((self.run / "manifest.json").read_text()))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    temporary = Path(tempfile.mkdtemp(prefix="g-", dir="/tmp"))  # short: Ray's sockets lie in it
    (tmp_path / "home").mkdir()
    place = Place(tmp_path / "run", tmp_path / "home", temporary, tmp_path / "output.txt")
    yield place
    print(place.output.read_text() if place.output.exists() else "")
    print("left:", [list(folder.iterdir()) for folder in (place.home, place.temporary)], place.processes())
    for process in place.processes():  # of a test that has failed
        process.kill()
    shutil.rmtree(temporary, ignore_errors=True)


@pytest.fixture(scope="module")
def config(tiny: RunConfig) -> RunConfig:
    """Long enough to be killed in the middle of."""
    return resolve(tiny, ["engine=trl", "workers=2", "steps=30", "checkpoint_every=4", "probe_every=10"])


@pytest.fixture(scope="module")
def undisturbed(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run by two processes without Ray, which nothing kills; read-only."""
    return on_two(config, tmp_path_factory.mktemp("undisturbed") / "run")


def written(config: RunConfig, place: Place) -> str:
    file = place.run.parent / "asked.json"
    file.write_text(config.model_dump_json())
    return str(file)


@pytest.mark.slow
@pytest.mark.parametrize("killed", [["leader"], ["follower", "leader"]], ids=["leader", "both"])
def test_a_run_goes_on_by_itself_when_a_worker_is_killed(
    killed: list[str], config: RunConfig, undisturbed: Path, place: Place
) -> None:
    driver = place.gyges("train", written(config, place), "--out", str(place.run))
    before = None
    for number, who in enumerate(killed):
        until(lambda: place.leader() not in (None, before) and place.steps() >= 6 + 8 * number, driver)  # noqa: B023
        before = place.leader()
        assert before is not None
        os.kill(before if who == "leader" else place.follower(), signal.SIGKILL)
    assert driver.code() == 0
    assert [row["step"] for row in rows(place.run, "steps.jsonl")] == list(range(1, 31))
    same_run(undisturbed, place.run)
    said = re.findall("a worker died: new ones continue the run from step (\\d+)", place.output.read_text())
    assert len(said) == len(killed), said
    assert all(int(step) % 4 == 0 for step in said)
    until(place.nothing_left)


@pytest.mark.slow
def test_a_driver_killed_or_interrupted_leaves_a_run_to_resume(
    config: RunConfig, undisturbed: Path, place: Place
) -> None:
    driver = place.gyges("train", written(config, place), "--out", str(place.run))
    until(lambda: place.steps() >= 6, driver)
    listening = place.listening(driver)
    assert any("RayTrainWorker" in name for name, _ in listening), listening  # PyTorch's rendezvous among them
    assert {address for _, address in listening} == {"127.0.0.1"}, listening
    driver.kill()
    assert driver.code() == -signal.SIGKILL
    until(lambda: not place.workers())  # two helpers of Ray's take a minute longer
    dead = place.leader()  # its card, which lies there still

    driver = place.gyges("resume", str(place.run))
    until(lambda: place.leader() not in (None, dead, driver.pid) and place.steps() >= 10, driver)
    os.killpg(driver.pid, signal.SIGINT)  # as a terminal does: to all that the driver has started
    assert driver.code() == 130
    assert f"continue it with `gyges resume {place.run}`" in place.output.read_text()
    assert place.manifest()["status"] == "interrupted"
    assert store.latest(place.run / "checkpoints") == place.steps() >= 10
    assert not (place.run / "stop").exists()
    together(lead_or_follow(place.run), place.run.parent)
    same_run(undisturbed, place.run)
    until(place.nothing_left)  # of the killed one, too


def test_a_run_that_stops_for_a_reason_of_its_own_is_not_tried_again(config: RunConfig, place: Place) -> None:
    silent = resolve(config, ["sampling.max_new_tokens=2", "probes=[]"])
    assert place.gyges("train", written(silent, place), "--out", str(place.run)).code() == 1
    assert "gyges: group-normalised RL has no gradient here" in place.output.read_text()
    assert "a worker died" not in place.output.read_text()
    assert place.manifest()["status"] == "failed"
    assert "no gradient" in place.manifest()["reason"]
    until(place.nothing_left)


@pytest.mark.slow
def test_a_run_whose_workers_die_too_often_is_given_up(config: RunConfig, place: Place) -> None:
    def never_again() -> None:
        rl.scale.ray_train.MAX_FAILURES = 0

    driver = place.gyges("train", written(config, place), "--out", str(place.run), prepare=never_again)
    until(lambda: place.steps() >= 6, driver)
    os.kill(place.follower(), signal.SIGKILL)
    assert driver.code() == 1
    (said,) = [line for line in place.output.read_text().splitlines() if line.startswith("gyges: workers")]
    assert said.endswith(f"continue the run with `gyges resume {place.run}`")
    assert place.manifest()["status"] == "failed"
    assert re.search("workers failed more than 0 times, the last: .*worker 1: WorkerHealth", place.manifest()["reason"])
    assert 4 <= (store.latest(place.run / "checkpoints") or 0) <= place.steps()
    until(place.nothing_left)


def test_workers_that_must_share_a_gpu_are_refused(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match="2 workers need a GPU each and there are 1 here: set workers to 1"):
        train_on_workers(config, tmp_path / "run", lambda: None, print, None)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("auto", "auto is no address of a Ray cluster: write HOST:PORT"),
        ("127.0.0.1:9", "no Ray cluster answers at 127.0.0.1:9: start one with"),
        ("127.0.0.1:99999", "no Ray cluster answers at 127.0.0.1:99999: start one with"),
    ],
)
def test_an_address_without_a_cluster_is_refused_before_anything_is_made(
    address: str, said: str, config: RunConfig, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        train_on_workers(config, tmp_path / "run", lambda: None, print, address)
    assert not (tmp_path / "run").exists()
    with pytest.raises(ValueError, match=re.escape(said)):
        resume_on_workers(tmp_path / "run", None, print, address)
