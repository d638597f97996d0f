"""What all tests share: one thread each, and what is costly built once for all workers that run side by side."""

import os

# Before torch is imported: two workers of two threads each would wait for each other on two cores. Tests that are
# about threads say how many they want, and a run sets its own number.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
# The second thread of such a test sleeps while it waits for the first: spinning would take the core that the other
# worker is on, and make of seconds minutes.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import gc
import shutil
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

Once = Callable[[str, Callable[[Path], object]], Path]

# The slowest tests, slowest first: a worker that met one of these last would keep the other waiting.
LONGEST = (
    "ray",
    "tests/rl/scale/test_sweep.py",
    "tests/rl/training/trl/test_engine.py",
    "tests/rl/training/trl/test_processes.py",
)


def fast_of(cases: Iterable[str], fast: Collection[str]) -> list[Any]:
    """The values of a parametrised test: these in the fast set, the others slow."""
    return [case if case in fast else pytest.param(case, marks=pytest.mark.slow) for case in cases]


def unit(nodeid: str) -> str:
    """The tests that one worker does in their order: those of a module, and all that start Ray.

    Two sessions of Ray at a time would ask two cores for eight processes.
    """
    module = nodeid.partition("::")[0]
    return "ray" if Path(module).name.startswith("test_ray_") else module


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest units first; the order within each stays."""
    rank = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(unit(item.nodeid), len(rank)))


def pytest_collection_finish() -> None:
    """Take what has been imported out of the collector's way: a third of a small run's time was spent looking at it."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Deal units to the workers of `pytest -n 2 --dist loadscope`."""
    from xdist.scheduler import LoadScopeScheduling

    class Units(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit(nodeid)

    return Units(config, log) if config.getoption("dist") == "loadscope" else None


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """`once(name, build)` is a folder that `build` has filled: by the first worker that asks, while others wait.

    What is in it is read-only, as another worker may be reading it.
    """
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    shared.mkdir(exist_ok=True)

    def make(name: str, build: Callable[[Path], object]) -> Path:
        folder, built = shared / name, shared / f"{name}.built"
        with FileLock(shared / f"{name}.lock"):
            if not built.exists():
                shutil.rmtree(folder, ignore_errors=True)
                build(folder)
                built.touch()
        return folder

    return make
