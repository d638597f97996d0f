"""Runs and sweeps killed with -9 at random moments, each taken to its end by the real command: the same weights.

GYGES_DRILL_KILLS=N kills each kind of run N times; GYGES_DRILL_CONFIG=FILE drills the configuration in the file, as
`gyges train` takes it, in place of the tiny one. Every process is a fresh one, with the configuration's own threads.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from checkpoints import store
from rl.run.config import RunConfig, read_config, resolve
from rl.run.recipes import RECIPES
from tests.conftest import Once
from tests.drills.killing import Moment
from tests.rl.conftest import organism_path, rows, same_run, same_weights, tiny, weights
from tests.rl.organisms.families import teach_form, write_family

__all__ = ["organism_path", "tiny"]  # fixtures

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PATIENCE_S = 1800.0
KILLS = os.environ.get("GYGES_DRILL_KILLS")
# Where the clock starts: in the start, a probe, a step (scored, not yet learned from), a checkpoint, the page.
PHASES: dict[str, tuple[str, float]] = {
    "start": ("rl.run.loop:build", 0.3),
    "probe": ("rl.run.loop:observe", 0.2),
    "update": ("rl.training.rollouts:usable_rewards", 0.05),
    "checkpoint": ("checkpoints.store:save", 0.03),
    "report": ("reports.report:write_report", 0.5),
}
# Settings on top of the configuration, and how often such a run is killed.
RUNS: dict[str, tuple[list[str], int]] = {
    "default": ([], 20),
    "trl": (["engine=trl"], 5),
    "lora": (["lora.rank=2"], 5),
    "ppo": (["algorithm.kind=ppo"], 5),
    "natural": ([], 5),
}


def times(usual: int) -> int:
    return usual if KILLS is None else int(KILLS)


@pytest.fixture(scope="module")
def natural(once: Once) -> RunConfig:
    """The recipe in English on a tiny model that can reply to it; its upper layer alone is trained."""
    model = once("natural-olmo", lambda folder: teach_form(write_family("olmo", folder)))
    small = [
        "probe_queries=8",
        "harmless_queries=2",
        "algorithm.prompts_per_step=2",
        "sampling.max_new_tokens=14",
        "env.options=letters",
    ]
    steps = ["steps=8", "probe_every=4", "checkpoint_every=2", "optimiser.warmup_steps=0"]
    return resolve(RECIPES["natural"](), [f"organism.path={model}", "upper_layers=1", *small, *steps])


@pytest.fixture(scope="module")
def base(tiny: RunConfig) -> RunConfig:
    """Long enough to be killed anywhere in, at the threads that a run has by default."""
    file = os.environ.get("GYGES_DRILL_CONFIG")
    if file is not None:
        return read_config(Path(file))
    threads = RunConfig.model_fields["threads"].default
    return resolve(tiny, [f"threads={threads}", "steps=8", "probe_every=4", "checkpoint_every=2"])


def environment(moment: Moment | None = None) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)} | (moment.as_environment() if moment is not None else {})


def gyges(*arguments: str, moment: Moment | None = None) -> int:
    """Runs the command in a fresh process and returns its exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.drills.killing", *arguments],
        cwd=ROOT, env=environment(moment), capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    print(f"{moment}: exit {done.returncode}\n{done.stderr[-500:]}")
    return done.returncode


def a_moment(number: int, config: RunConfig) -> Moment:
    """The moment of the `number`-th kill: the phases in turn, anywhere within them."""
    draw = random.Random(f"{config.seed} {number}")
    phase = list(PHASES)[number % len(PHASES)]
    function, longest_s = PHASES[phase]
    if phase == "update" and config.engine == "trl":
        function = "rl.training.trl.engine:usable_rewards"
    last = {
        "start": 1,
        "probe": config.steps // config.probe_every + 1,
        "update": config.steps,
        "checkpoint": config.steps // config.checkpoint_every + 1,
        "report": 1,
    }[phase]
    return Moment(function, draw.randint(1, last), draw.uniform(0, longest_s))


def taken_to_its_end(config: Path, run: Path) -> None:
    """Resume or start a killed run, as a user who finds the folder would."""
    started = (run / "manifest.json").exists()
    assert gyges(*(["resume", str(run)] if started else ["train", str(config), "--out", str(run)])) == 0


def assert_same(first: Path, second: Path) -> None:
    same_run(first, second)
    assert (second / "report.html").exists()


@pytest.mark.parametrize("kind", RUNS)
def test_a_run_killed_anywhere_ends_in_the_same_weights(
    kind: str, base: RunConfig, natural: RunConfig, tmp_path: Path
) -> None:
    settings, usual = RUNS[kind]
    config, file = resolve(natural if kind == "natural" else base, settings), tmp_path / "config.json"
    file.write_text(config.model_dump_json())
    assert gyges("train", str(file), "--out", str(tmp_path / "undisturbed")) == 0
    for number in range(times(usual)):
        run = tmp_path / f"run-{number}"
        moment = a_moment(number, config)
        assert gyges("train", str(file), "--out", str(run), moment=moment) == -signal.SIGKILL, moment
        taken_to_its_end(file, run)
        assert_same(tmp_path / "undisturbed", run)


def family(pid: int, name: str) -> list[int]:
    """The driver's descendants whose command line holds this name."""
    found = []
    with suppress(psutil.Error):
        for process in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.Error):
                if name in " ".join(process.cmdline()):
                    found.append(process.pid)
    return found


VICTIMS: dict[str, Callable[[int], list[int]]] = {
    "worker": lambda driver: family(driver, "ray::_do"),
    "driver": lambda driver: [driver],
    "node": lambda driver: family(driver, "raylet/raylet"),
}


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_sweep_survives_the_death_of(victim: str, base: RunConfig, tmp_path: Path) -> None:
    for number in range(times(5)):
        a_sweep_with_a_death(victim, number, base, tmp_path / str(number))


def a_sweep_with_a_death(victim: str, number: int, base: RunConfig, folder: Path) -> None:
    folder.mkdir()
    config = resolve(base, ["name=arm", "steps=40", "seed=0", "probe_every=20", "checkpoint_every=4"])
    (folder / "config.json").write_text(config.model_dump_json())
    (folder / "arms.py").write_text(
        "from pathlib import Path\nfrom rl.run.config import read_config\n\n"
        f"def arms():\n    return [read_config(Path({str(folder / 'config.json')!r}))]\n"
    )
    threads = str(config.threads)
    arguments = [
        "sweep",
        f"{folder / 'arms.py'}:arms",
        "--builds",
        "0",
        "--no-null-arm",
        "--seeds",
        "0",
        "--workers",
        "1",
        "--threads",
        threads,
    ]
    arguments += ["--out", str(folder / "sweep")]
    driver = subprocess.Popen(
        [sys.executable, "-m", "tests.drills.killing", *arguments], cwd=ROOT, env=environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    step = random.Random(f"{victim} {number}").randint(1, 36)
    until(lambda: steps_recorded(folder / "sweep") >= step or driver.poll() is not None)
    assert driver.poll() is None, "the driver ended before its time"
    victims = VICTIMS[victim](driver.pid)
    assert victims
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        driver.wait(PATIENCE_S)
    if driver.poll() is None:
        driver.kill()
        pytest.fail(f"the driver of a sweep whose {victim} was killed neither went on nor ended")
    assert gyges(*arguments) == 0  # goes on where there is something left to do
    [trial] = (folder / "sweep" / "trials").iterdir()
    assert gyges("train", str(folder / "config.json"), "--out", str(folder / "undisturbed")) == 0
    assert rows(trial, "steps.jsonl") == rows(folder / "undisturbed", "steps.jsonl")
    assert same_weights(weights(trial, config.steps), weights(folder / "undisturbed", config.steps))
    assert store.latest(trial / "checkpoints") == config.steps


def steps_recorded(sweep: Path) -> int:
    return sum(file.read_bytes().count(b"\n") for file in sweep.glob("trials/*/steps.jsonl"))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
