"""Sweeps on Ray: the weights of every other way, killed workers and nodes, and nothing that stays behind."""

import json
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from rl.run.config import RunConfig
from rl.scale.ray_workers import gpu_share
from rl.scale.sweep import Fleet, Sweep, plan, run_sweep
from rl.scale.trial import Outcome
from tests.rl.conftest import Child, command, fork
from tests.rl.scale.test_sweep import (
    assert_undisturbed,
    gone,
    killing,
    long,
    recorded,
    sweep_file,
    undisturbed,
    until,
    worker_of,
)

__all__ = ["undisturbed"]  # the fixture: session-wide, so that both files share its runs


@dataclass(frozen=True)
class Place:
    """Folders of its own for a child: what it leaves in them is seen. Short: Ray's sockets lie in the second."""

    home: Path
    temporary: Path

    def enter(self) -> None:
        os.environ.update(HOME=str(self.home), TMPDIR=str(self.temporary), MPLCONFIGDIR=str(self.temporary / "fonts"))
        tempfile.tempdir = None

    def left(self) -> list[str]:
        return [path.name for path in (*self.home.iterdir(), *self.temporary.glob("gyges-ray-*"))]


@pytest.fixture
def place() -> Iterator[Place]:
    root = Path(tempfile.mkdtemp(prefix="g-", dir="/tmp"))
    (root / "h").mkdir()
    (root / "t").mkdir()
    yield Place(root / "h", root / "t")
    shutil.rmtree(root)


def observing(sweep: Sweep, file: Path) -> None:
    """Once every trial has taken a step, writes down this process's descendants and the addresses they listen on."""

    def observe() -> None:
        until(lambda: all(recorded(trial) for trial in sweep.trials), "a step of each trial")
        family = [psutil.Process(), *psutil.Process().children(recursive=True)]
        listening = [
            str(connection.laddr.ip)
            for process in family
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        told = {"family": [process.pid for process in family[1:]], "listening": listening}
        file.with_suffix(".tmp").write_text(json.dumps(told))
        file.with_suffix(".tmp").rename(file)

    threading.Thread(target=observe, daemon=True).start()


def assert_nothing_left(observed: dict[str, Any], place: Place) -> None:
    for pid in observed["family"]:
        until(lambda pid=pid: gone(pid), f"process {pid} to be gone")
    until(lambda: not place.left(), "the session's folder to be gone")


def read_when_there(file: Path) -> dict[str, Any]:
    until(file.exists, str(file))
    return dict(json.loads(file.read_text()))


@dataclass(frozen=True)
class Drive:
    """A sweep of two long trials on Ray, and the command that drives it."""

    sweep: Sweep
    arguments: list[str]
    place: Place
    folder: Path

    def start(self, name: str, kill: bool = False) -> tuple[Child, dict[str, Any]]:
        """A driver that is at work on both trials, and what was seen of it; `kill` ends a worker of it."""
        observed = self.folder / f"{name}.json"

        def prepare() -> None:
            self.place.enter()
            observing(self.sweep, observed)
            if kill:
                killing(self.sweep.trials[0])

        driver = fork(command(self.arguments, prepare), self.folder / f"{name}.txt")
        return driver, read_when_there(observed)

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.txt").read_text()


@pytest.fixture
def drive(tiny: RunConfig, tmp_path: Path, place: Place) -> Drive:
    sweep = plan("long", [long(tiny)], (0,), (5, 6), 1, tmp_path / "sweep")
    arguments = ["sweep", sweep_file(long(tiny), tmp_path), "--no-null-arm", "--seeds", "5,6", "--workers", "2"]
    return Drive(sweep, [*arguments, "--out", str(sweep.folder)], place, tmp_path)


def test_a_sweep_on_ray_puts_the_trial_of_a_killed_worker_back_and_leaves_nothing(
    drive: Drive, undisturbed: dict[int, Path]
) -> None:
    driver, seen = drive.start("first", kill=True)
    assert driver.code() == 0, drive.said("first")
    assert f"{drive.sweep.trials[0].name}: put back (its worker died: WorkerCrashedError" in drive.said("first")
    assert_nothing_left(seen, drive.place)
    assert seen["listening"]
    assert {address.removeprefix("::ffff:") for address in seen["listening"]} == {"127.0.0.1"}
    assert_undisturbed(drive.sweep, undisturbed)


@pytest.mark.slow
def test_a_sweep_on_ray_survives_ctrl_c_and_a_killed_driver(drive: Drive, undisturbed: dict[int, Path]) -> None:
    # Ctrl-C: the trials stop after their step.
    driver, seen = drive.start("first")
    driver.kill(signal.SIGINT)
    assert driver.code() == 130, drive.said("first")
    manifests = [json.loads((trial.folder / "manifest.json").read_text()) for trial in drive.sweep.trials]
    assert {manifest["status"] for manifest in manifests} == {"interrupted"}
    assert_nothing_left(seen, drive.place)

    # Killed: nobody is there to clear up.
    driver, seen = drive.start("second")
    driver.kill()
    driver.code()
    assert_nothing_left(seen, drive.place)

    # A worker is killed too, and its trial put back.
    driver, seen = drive.start("third", kill=True)
    assert driver.code() == 0, drive.said("third")
    assert_nothing_left(seen, drive.place)
    assert_undisturbed(drive.sweep, undisturbed)


@pytest.mark.slow
def test_a_killed_node_costs_its_trials_the_steps_since_their_checkpoint(
    tiny: RunConfig, undisturbed: dict[int, Path], tmp_path: Path, place: Place
) -> None:
    sweep = plan("long", [long(tiny)], (0,), (5, 6), 1, tmp_path / "sweep")

    def kill_node_of(index: int) -> None:
        trial = sweep.trials[index]
        worker = until(lambda: recorded(trial) and worker_of(trial), "a step to be taken")
        node = psutil.Process(worker).parent()  # the raylet, which has started all of its node's processes
        assert node is not None
        for process in (node, *node.children(recursive=True)):
            process.kill()

    def drive() -> None:
        place.enter()
        os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="t" * 64)
        from ray.cluster_utils import Cluster

        from rl.scale.ray_watch import watched

        folder = place.temporary / "gyges-ray-cluster"
        (place.temporary / "ray").mkdir()  # where a cluster notes its address, whatever its own folder is
        with watched(folder):
            cluster = Cluster(True, head_node_args={"num_cpus": 0, "temp_dir": str(folder), "include_dashboard": False})
            for _ in range(2):
                cluster.add_node(num_cpus=1)
            killer = threading.Thread(target=kill_node_of, args=(0,))
            killer.start()
            result = run_sweep(sweep, Fleet("ray", address=cluster.address), retry_failed=False, say=print)
            killer.join()
            print(result.outcomes)
            assert set(result.outcomes.values()) == {Outcome("finished")}
            cluster.shutdown()

    driver = fork(drive, tmp_path / "output.txt")
    code, said = driver.code(), (tmp_path / "output.txt").read_text()
    assert code == 0, said
    assert "2 at a time" in said  # as many as the cluster has CPUs
    assert f"{sweep.trials[0].name}: put back (its worker died: " in said
    assert_undisturbed(sweep, undisturbed)
    until(lambda: not place.left(), "the cluster's folder to be gone")


def test_the_share_of_a_gpu_fits_on_one_and_all_shares_fit() -> None:
    assert gpu_share(4, 0) == 0.0
    assert [gpu_share(workers, 1) for workers in (1, 2, 4)] == [1.0, 0.5, 0.25]
    assert gpu_share(3, 2) == 0.5  # 2/3 would fit once on each GPU: two workers, not three
    assert gpu_share(1, 2) == 1.0
    for workers in range(1, 65):
        for gpus in range(1, 9):
            places = gpus * int(10_000 // round(gpu_share(workers, gpus) * 10_000))  # in Ray's ten-thousandths
            assert places >= workers, (workers, gpus)
