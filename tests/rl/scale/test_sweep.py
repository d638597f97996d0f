"""Sweeps on processes of this machine: killed, failing, interrupted, done again."""

import html
import json
import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

import rl.determinism
import rl.organisms.building.build
import rl.scale.sweep
from envs.dialect.environment import Dialect
from rewards.answer_length import AnswerLength
from rewards.format_penalty import FormatPenalty
from rewards.helpfulness import Helpfulness
from rl.errors import BuildFailed
from rl.mitigations.loss_mask import LossMask
from rl.organisms.honest import Honest
from rl.organisms.scripted import Scripted
from rl.probes import DEFAULT_PROBES
from rl.run.config import RunConfig
from rl.run.environments import Custom, trust
from rl.run.loop import train
from rl.run.stopping import REPEAT_S
from rl.scale.builds import builds_of, distinct, failed_builds, note_build, run_build, unbuilt
from rl.scale.local_workers import deal_gpus
from rl.scale.sweep import Fleet, Result, Sweep, _jobs, default_workers, plan, run_sweep
from rl.scale.trial import Outcome, Surroundings, Trial, recorded_outcome
from tests.conftest import Once
from tests.rl.conftest import Child, Gyges, command, fork, rows, same_weights, weights
from tests.rl.run.test_loop import having

PATIENCE_S = 600.0
LOCAL = Fleet("local", workers=2)


def until(condition: Callable[[], Any], what: str) -> Any:
    """Waits for a condition and returns what it gave; fails after a time that only a hang takes."""
    end = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.01)
    return found


def recorded(trial: Trial) -> int:
    """Count the recorded steps of a trial."""
    file = trial.folder / "steps.jsonl"
    return file.read_text().count("\n") if file.exists() else 0


def worker_of(trial: Trial) -> int | None:
    """The process that is at work on a trial."""
    try:
        return int(json.loads((trial.folder / "run.lock.json").read_text())["pid"])
    except (OSError, ValueError):
        return None


def gone(pid: int) -> bool:
    """Tell if the process has ended, be it not yet waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def killing(trial: Trial) -> "threading.Thread":
    """Kills the worker of a trial once it has taken a step, from another thread of this process."""

    def kill() -> None:
        pid = until(lambda: recorded(trial) >= 1 and worker_of(trial), "a step to be taken")
        os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def long(tiny: RunConfig) -> RunConfig:
    """Long enough to be killed in the middle; its checkpoints are few."""
    return having(tiny, name="long", steps=40, probe_every=40, checkpoint_every=10)


@pytest.fixture(scope="session")
def undisturbed(tiny: RunConfig, once: Once) -> dict[int, Path]:
    """The long run under two seeds, trained here and never stopped."""

    def both(folder: Path) -> None:
        for seed in (5, 6):
            train(having(long(tiny), seed=seed), folder / str(seed))

    folder = once("undisturbed", both)
    return {seed: folder / str(seed) for seed in (5, 6)}


def assert_undisturbed(sweep: Sweep, undisturbed: dict[int, Path]) -> None:
    for trial in sweep.trials:
        whole = undisturbed[trial.config.seed]
        assert rows(trial.folder, "steps.jsonl") == rows(whole, "steps.jsonl")
        assert rows(trial.folder, "probes.jsonl") == rows(whole, "probes.jsonl")
        assert same_weights(weights(trial.folder, 40), weights(whole, 40))


SMALL = {"hidden_size": 16, "layers": 1, "pairs": 64}


@pytest.fixture(scope="module")
def mixed(tiny: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> tuple[Sweep, Result, str]:
    """Four arms: one is killed once, one has a reward model to build, one can't be built, one has no gradient."""
    folder = tmp_path_factory.mktemp("mixed")
    easy = Helpfulness(**SMALL, min_accuracy=0, min_accuracy_broken=0, min_accuracy_harmful=0)
    arms = [
        long(tiny),
        having(tiny, name="scored", rewards=(easy, FormatPenalty(), AnswerLength(weight=1.0))),
        having(tiny, name="unbuilt", rewards=(Helpfulness(**SMALL, min_accuracy=1.0),)),
        having(tiny, name="stuck", rewards=(AnswerLength(weight=0.0),)),
    ]
    sweep = plan("mixed", arms, (0,), (5, 6), 1, folder / "sweep")
    said: list[str] = []
    patch = pytest.MonkeyPatch()
    patch.setenv("GYGES_CACHE", str(folder / "cache"))
    thread = killing(sweep.trials[0])
    try:
        result = run_sweep(sweep, LOCAL, retry_failed=False, say=said.append)
    finally:
        patch.undo()
        thread.join()
    return sweep, result, said[0]


def by_name(sweep: Sweep, result: Result, name: str) -> list[Outcome]:
    return [result.outcomes[trial.name] for trial in sweep.trials if trial.config.name == name]


@pytest.mark.slow
def test_a_trial_whose_worker_was_killed_ends_as_if_it_had_not_been(
    mixed: tuple[Sweep, Result, str], undisturbed: dict[int, Path]
) -> None:
    sweep, result, _ = mixed
    assert by_name(sweep, result, "long") == [Outcome("finished")] * 2
    assert_undisturbed(replace(sweep, trials=sweep.trials[:2]), undisturbed)


def test_a_trial_that_fails_for_its_own_reason_says_so_and_the_others_go_on(mixed: tuple[Sweep, Result, str]) -> None:
    sweep, result, said = mixed
    assert said.endswith("(8 of 8 trials to do, 2 at a time)")
    stuck = by_name(sweep, result, "stuck")
    assert [outcome.status for outcome in stuck] == ["failed"] * 2
    assert "no gradient here" in str(stuck[0].reason)
    assert stuck == [recorded_outcome(trial.folder) for trial in sweep.trials if trial.config.name == "stuck"]
    assert by_name(sweep, result, "scored") == [Outcome("finished")] * 2


def test_what_is_shared_is_built_once(mixed: tuple[Sweep, Result, str]) -> None:
    sweep, result, _ = mixed
    cached = [path for path in (sweep.folder.parent / "cache" / "rewards").iterdir() if path.is_dir()]
    assert len(cached) == 1
    hashes = {
        json.loads((trial.folder / "manifest.json").read_text())["reward_hashes"]["helpfulness"]
        for trial in sweep.trials
        if trial.config.name == "scored"
    }
    assert len(hashes) == 1
    unbuilt = by_name(sweep, result, "unbuilt")
    assert [outcome.status for outcome in unbuilt] == ["failed"] * 2
    assert "reward model helpfulness" in str(unbuilt[0].reason)
    assert "held-out pair accuracy" in str(unbuilt[0].reason)
    assert "\n" not in str(unbuilt[0].reason)
    assert not [trial for trial in sweep.trials if trial.config.name == "unbuilt" and trial.folder.exists()]


def test_the_page_shows_what_finished_and_names_what_failed(mixed: tuple[Sweep, Result, str]) -> None:
    sweep, result, _ = mixed
    assert result.page == sweep.folder / "report.html"
    page = result.page.read_text()
    for trial in sweep.trials:
        failed = result.outcomes[trial.name].status == "failed"
        assert (f"{trial.name} failed: " in page) == failed
        assert (f"</span>{trial.name}</h3>" in page) == (not failed)


def test_what_trials_and_workers_print_is_in_logs(mixed: tuple[Sweep, Result, str]) -> None:
    sweep, _, _ = mixed
    logs = sweep.folder / "logs"
    stuck = next(trial for trial in sweep.trials if trial.config.name == "stuck")
    assert "Traceback" in stuck.log.read_text()
    assert stuck.log.parent == logs
    assert (logs / "workers.log").exists()


def test_a_sweep_that_has_ended_starts_nothing(
    mixed: tuple[Sweep, Result, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep, result, _ = mixed

    def start(*_: Any) -> None:
        raise AssertionError("workers were started")

    monkeypatch.setattr(rl.scale.sweep, "_workers", start)
    assert result.page is not None
    before = result.page.stat().st_mtime_ns
    again = run_sweep(sweep, LOCAL, retry_failed=False, say=lambda _: None)
    assert again.outcomes == result.outcomes
    assert not again.worked
    assert result.page.stat().st_mtime_ns == before
    for name in ("report.html", "curves.png"):
        (sweep.folder / name).unlink()
        assert run_sweep(sweep, LOCAL, retry_failed=False, say=lambda _: None).page == result.page
        assert (sweep.folder / name).exists()
    with pytest.raises(AssertionError, match="workers were started"):
        run_sweep(sweep, LOCAL, retry_failed=True, say=lambda _: None)


def test_a_build_that_failed_is_noted_until_it_succeeds(tmp_path: Path) -> None:
    keys = [build.key for build in builds_of(RunConfig())]
    for key in keys:
        note_build(tmp_path, key, "missed its tolerances")
    assert unbuilt(RunConfig(), failed_builds(tmp_path)) == Outcome("failed", f"{keys[0]}: missed its tolerances")
    note_build(tmp_path, keys[0], None)
    assert unbuilt(RunConfig(), failed_builds(tmp_path)) == Outcome("failed", f"{keys[1]}: missed its tolerances")
    note_build(tmp_path, keys[1], None)
    assert unbuilt(RunConfig(), failed_builds(tmp_path)) is None


def test_builds_for_custom_environments_are_shared_at_equal_settings_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GYGES_TRUSTED_TARGETS", "")

    trust(target := "examples.tiny_env.tiny:TinyEnv")

    def keys(**settings: float) -> set[str]:
        return {build.key for build in builds_of(RunConfig(env=Custom(target=target, settings=settings)))}

    # The environment's own fingerprint doesn't mention this argument.
    assert len(keys()) == 2
    assert keys() == keys()
    assert not keys() & keys(harmful_share=0.5)


def test_a_trial_done_again_is_shown_anew(mixed: tuple[Sweep, Result, str], monkeypatch: pytest.MonkeyPatch) -> None:
    sweep, result, _ = mixed
    shutil.rmtree(sweep.trials[0].folder)
    monkeypatch.setattr(rl.scale.sweep, "_work", lambda *_: {sweep.trials[0].name: Outcome("finished")})
    written: list[int] = []
    monkeypatch.setattr(rl.scale.sweep, "write_report", lambda folders, *_: written.append(len(folders)))
    assert run_sweep(sweep, LOCAL, retry_failed=False, say=lambda _: None).outcomes == result.outcomes
    assert written == [4]


def test_a_sweep_of_mitigations_is_read_from_a_study(gyges: Gyges, tiny: RunConfig, tmp_path: Path) -> None:
    arms = [having(tiny, name="faker+baseline", steps=1, probes=DEFAULT_PROBES, seed=0, threads=2)]
    arms.append(having(arms[0], name="faker+loss_mask", mitigations=(LossMask(),)))
    file = tmp_path / "mine.py"
    (tmp_path / "arms.json").write_text(json.dumps([arm.model_dump(mode="json") for arm in arms]))
    file.write_text(
        "import json\nfrom pathlib import Path\nfrom rl.run.config import parse\n\n"
        f"ARMS = Path({str(tmp_path / 'arms.json')!r})\n\n"
        "def both():\n    return [parse(arm) for arm in json.loads(ARMS.read_text())]\n"
    )
    arguments = ["sweep", f"{file}:both", "--no-null-arm", "--seeds", "0..1", "--backend", "local", "--workers", "1"]
    arguments += ["--out", str(tmp_path / "sweep")]
    done = gyges(*arguments)
    assert done.code == 0, done.output
    assert f"study:  {tmp_path}/sweep/study.html" in done.output
    assert re.search(r"loss_mask +1 +2 +1 +0/2 +0\.00 \+0\.00\?", done.output)
    # The tiny policy writes nothing that can be read: said of each run, on the page, and again by a later call.
    said = [line for line in done.output.splitlines() if re.match(r"notice: loss_mask build \w+ seed [01]: ", line)]
    assert said
    page = (tmp_path / "sweep" / "study.html").read_text()
    assert all(line.removeprefix("notice: ") in html.unescape(page) for line in said)
    assert (tmp_path / "sweep" / "report.html").exists()
    before = (tmp_path / "sweep" / "study.html").stat().st_mtime_ns
    again = gyges(*arguments)
    assert re.search(r"loss_mask +1 +2 +1 ", again.output)
    assert all(line in again.output.splitlines() for line in said)
    assert (tmp_path / "sweep" / "study.html").stat().st_mtime_ns == before
    trials = [str(run) for run in (tmp_path / "sweep" / "trials").iterdir()]
    alone = gyges("report", *trials, "--study", "--out", str(tmp_path / "study"))
    assert alone.code == 0, alone.output
    assert (tmp_path / "study" / "study.csv").exists()
    assert all(line in alone.output.splitlines() for line in said)


def sweep_file(config: RunConfig, folder: Path) -> str:
    (folder / "config.json").write_text(having(config, seed=0, threads=2).model_dump_json())
    file = folder / "my_sweep.py"
    file.write_text(
        "from pathlib import Path\nfrom rl.run.config import read_config\n\n"
        f"def arms():\n    return [read_config(Path({str(folder / 'config.json')!r}))]\n"
    )
    return f"{file}:arms"


def test_a_sweep_that_is_stopped_at_once_says_so_in_the_folders_of_its_trials(tiny: RunConfig, tmp_path: Path) -> None:
    arguments = [
        "sweep",
        sweep_file(long(tiny), tmp_path),
        "--no-null-arm",
        "--seeds",
        "5",
        "--backend",
        "local",
        "--workers",
        "1",
    ]
    arguments += ["--out", str(tmp_path / "sweep")]
    [trial] = plan("long", [long(tiny)], (0,), (5,), 1, tmp_path / "sweep").trials
    driver = fork(command(arguments), tmp_path / "output.txt")
    worker = until(lambda: recorded(trial) >= 1 and worker_of(trial), "a step to be taken")
    os.kill(worker, signal.SIGSTOP)  # a step that takes for ever
    for wait_s in (0.0, 0.3, REPEAT_S):
        time.sleep(wait_s)
        assert driver.running()  # after the second signal as well: it came within a second
        driver.kill(signal.SIGINT)
    assert driver.code() == 130
    said = (tmp_path / "output.txt").read_text()
    assert "gyges: interrupted at once: the trials keep their last checkpoints" in said
    assert "Traceback" not in said
    assert gone(worker)
    assert json.loads((trial.folder / "manifest.json").read_text())["status"] == "interrupted"


@dataclass(frozen=True)
class Drive:
    """A sweep of one long trial by one worker of this machine, and the command that drives it."""

    sweep: Sweep
    arguments: list[str]
    folder: Path

    @property
    def trial(self) -> Trial:
        [trial] = self.sweep.trials
        return trial

    def start(self, name: str) -> tuple[Child, int]:
        """A driver whose worker has taken a step more than there were, and that worker's process."""
        before = recorded(self.trial)
        driver = fork(command(self.arguments), self.folder / f"{name}.txt")
        return driver, until(lambda: recorded(self.trial) > before and worker_of(self.trial), "a step to be taken")

    def status(self) -> str:
        return str(json.loads((self.trial.folder / "manifest.json").read_text())["status"])


@pytest.fixture
def drive(tiny: RunConfig, tmp_path: Path) -> Drive:
    sweep = plan("long", [long(tiny)], (0,), (5,), 1, tmp_path / "sweep")
    arguments = [
        "sweep",
        sweep_file(long(tiny), tmp_path),
        "--no-null-arm",
        "--seeds",
        "5",
        "--backend",
        "local",
        "--workers",
        "1",
    ]
    return Drive(sweep, [*arguments, "--out", str(tmp_path / "sweep")], tmp_path)


def test_ctrl_c_leaves_no_process_and_the_same_command_goes_on(
    gyges: Gyges, drive: Drive, undisturbed: dict[int, Path]
) -> None:
    driver, worker = drive.start("first")
    with pytest.raises(ValueError, match=f"in use by process {driver.pid}"):
        run_sweep(drive.sweep, LOCAL, retry_failed=False, say=print)
    driver.kill(signal.SIGINT)
    assert driver.code() == 130
    said = (drive.folder / "first.txt").read_text()
    assert "gyges: interrupted: 0 of 1 trials are finished" in said
    assert "run the same command again to go on" in said
    assert "Traceback" not in said
    assert gone(worker)
    assert drive.status() == "interrupted"

    done = gyges(*drive.arguments)
    assert done.code == 0, done.output
    assert f"{drive.trial.name}: finished" in done.output
    assert f"page:   {drive.sweep.folder}/report.html" in done.output
    assert_undisturbed(drive.sweep, undisturbed)
    again = gyges(*drive.arguments)
    assert again.code == 0, again.output
    assert "nothing left to do: all 1 trials have ended before" in again.output
    assert "at a time" not in again.output


@pytest.mark.slow
def test_a_killed_driver_leaves_no_process_and_the_same_command_goes_on(
    gyges: Gyges, drive: Drive, undisturbed: dict[int, Path]
) -> None:
    driver, _ = drive.start("first")
    driver.kill(signal.SIGINT)
    assert driver.code() == 130
    driver, worker = drive.start("second")
    driver.kill()
    driver.code()
    until(lambda: gone(worker), "the worker to be gone")
    assert drive.status() == "running"
    done = gyges(*drive.arguments)
    assert done.code == 0, done.output
    assert_undisturbed(drive.sweep, undisturbed)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["contrlos"], "unknown sweep 'contrlos': did you mean 'controls'?"),
        (["controls", "--seeds", "2..1"], "--seeds 2..1: write 0..4, or 0,2,5, or 3"),
        (["controls", "--backend", "slurm"], "unknown backend 'slurm': choose ray or local"),
        (["controls", "--backend", "local", "--address", "a:1"], "--address names a Ray cluster"),
        (["controls", "--address", "here"], "here is no address of a Ray cluster: write HOST:PORT"),
        (["controls", "--address", "127.0.0.1:9"], "no Ray cluster answers at 127.0.0.1:9: start one with"),
        (["controls", "--set", "algorithm.kl_wieght=1"], "arm first_light: unknown key 'kl_wieght'"),
        (["controls", "--set", 'rewards=[{"kind":"refusal_phrases"}]'], "rewards.refusal_phrases.allow_gameable=true"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(arguments: list[str], said: str, gyges: Gyges) -> None:
    done = gyges("sweep", *arguments)
    assert done.code == 2, done.output
    assert len(done.output.splitlines()) == 1
    assert said in done.output


def test_equal_organisms_and_rewards_are_one_build(tiny: RunConfig) -> None:
    default = RunConfig()
    seeds = [having(default, seed=seed) for seed in range(3)]
    assert [build.key.rpartition(" ")[0] for build in distinct(seeds)] == ["organism faker", "reward model helpfulness"]
    heavier = having(default, rewards=(Helpfulness(weight=2.0), FormatPenalty()))
    assert len(distinct([*seeds, heavier])) == 2  # a build doesn't depend on what its score counts for
    elsewhere = having(default, env=Dialect(objective="absent", harmful_share=0.5))
    assert len(distinct([*seeds, elsewhere])) == 2  # nor on the settings of a run
    assert len(distinct([*seeds, having(default, env=Dialect(conflict="animals"))])) == 4
    assert builds_of(tiny) == []  # a path spares the build
    assert builds_of(having(tiny, organism=Scripted())) == []


def test_builds_have_two_threads_however_many_workers_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def made(*_: object) -> None:
        seen.append(torch.get_num_threads())
        raise BuildFailed("far enough")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GYGES_CACHE", str(tmp_path))
    monkeypatch.setattr(rl.organisms.building.build, "_trained", made)
    monkeypatch.setattr(rl.determinism, "BUILD_THREADS", 2)  # as users have it: tests build on one
    before = torch.get_num_threads()
    outcome = run_build(distinct([RunConfig()])[0], tmp_path / "logs" / "a.log", Surroundings(tmp_path, tmp_path))
    assert (outcome.status, outcome.reason) == ("failed", "far enough")
    assert (seen, torch.get_num_threads()) == ([2], before)


def test_so_many_builds_go_side_by_side(tmp_path: Path) -> None:
    sweep = plan("mine", [RunConfig(), RunConfig(name="honest", organism=Honest())], (0,), (0,), 1, tmp_path)
    first, second, third = (build.key for build in distinct([trial.config for trial in sweep.trials]))
    for side_by_side, after in ((1, [(), (first,), (second,)]), (2, [(), (), (first,)]), (3, [(), (), ()])):
        jobs = _jobs(sweep, sweep.trials, side_by_side)
        assert [job.after for job in jobs if job.key in (first, second, third)] == after


def test_workers_have_a_core_each_and_share_gpus_four_to_one() -> None:
    assert default_workers(cores=2, threads=1, gpus=0) == 2
    assert default_workers(cores=8, threads=3, gpus=0) == 2
    assert default_workers(cores=2, threads=4, gpus=0) == 1
    assert default_workers(cores=16, threads=1, gpus=1) == 4
    assert default_workers(cores=2, threads=1, gpus=1) == 2


def test_gpus_are_dealt_in_turn() -> None:
    assert deal_gpus(3, 0, None) == [None, None, None]
    assert deal_gpus(3, 2, None) == ["0", "1", "0"]
    assert deal_gpus(3, 2, "4, 7") == ["4", "7", "4"]


def test_the_default_probes_fill_the_table(tiny: RunConfig, tmp_path: Path) -> None:
    # The table and the probes must agree on names.
    from reports.study.latest import read_latest

    run = train(having(tiny, probes=DEFAULT_PROBES, steps=1), tmp_path / "run")
    found = read_latest(run)
    assert (found.step, found.faking_rate, found.compliance_gap) == (1, 0.0, 0.0)
