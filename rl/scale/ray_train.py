"""A run on several workers under Ray Train, which restarts them when one dies.

The workers share only the run folder, and only the folder outlives them. The first worker leads the run on from its
last checkpoint, and the others follow. A new group of workers does the same after a death.
"""

import json
import os
import socket
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from checkpoints import store
from rl.errors import Interrupted, NotFinite, RunStopped
from rl.policy.cpu.memory import release_memory
from rl.progress import bar
from rl.run import folder as run_folder
from rl.run.compatibility import require_engine
from rl.run.config import RunConfig
from rl.run.environments import trust, trusted_targets
from rl.run.folder import resume_command
from rl.run.loop import begin, resume, take_back
from rl.run.stopping import StopRequest, signals
from rl.scale.follow import follow
from rl.scale.ray_session import ray_session, require_cluster
from rl.training.trl import processes

MAX_FAILURES = 3  # deaths before the run is given up; each `gyges resume` allows as many again
STOP_FILE = "stop"  # in the run folder, while a run is asked to stop: workers may be on other machines
DAY_S = 24 * 60 * 60  # the followers wait while the leader probes; Ray notices a dead worker by other means
SETTINGS = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths in the configuration keep their meaning
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
    "TORCH_PROCESS_GROUP_SHUTDOWN_TIMEOUT_S": "3",  # for workers that wait for a dead one
}


Say = Callable[[str], None]


def train_on_workers(config: RunConfig, out: Path, started: Callable[[], None], say: Say, address: str | None) -> Path:
    """Train as `rl.run.loop.train` does, by `config.workers` processes here or on the Ray cluster at `address`.

    `say` is given one-line messages about the workers for the user.

    Raises:
        ValueError, RunStopped, Interrupted: as `rl.run.loop.train`; RunStopped also if workers died too often.
    """
    require_engine(config)
    gpus = _gpus(config, address)
    if address is not None:
        require_cluster(address)
    begin(config, out, started)
    release_memory()  # the first worker may need the GPU that the start was built on
    return _taken_to_its_end(config, out, say, address, gpus)


def resume_on_workers(out: Path, from_step: int | None, say: Say, address: str | None) -> Path:
    """Resume as `rl.run.loop.resume` does, by as many workers as the run has.

    Raises:
        ValueError, RunStopped, Interrupted: as `rl.run.loop.resume`; RunStopped also if workers died too often.
    """
    if address is not None:
        require_cluster(address)
    config = take_back(out, from_step)
    release_memory()
    return _taken_to_its_end(config, out, say, address, _gpus(config, address))


def _gpus(config: RunConfig, address: str | None) -> int | None:
    """Count the GPUs of this machine, which must suffice for one a worker; None on a cluster."""
    found = torch.cuda.device_count()
    if address is None and 0 < found < config.workers:
        raise ValueError(f"{config.workers} workers need a GPU each and there are {found} here: set workers to {found}")
    return found if address is None else None


def _taken_to_its_end(config: RunConfig, out: Path, say: Say, address: str | None, gpus: int | None) -> Path:
    os.environ |= SETTINGS | (_on_this_machine() if address is None else {})
    stop = StopRequest()
    asked = out.resolve() / STOP_FILE
    asked.unlink(missing_ok=True)
    try:
        with ray_session(config.workers, address, gpus) as folder, signals(stop), bar("training", every=10) as update:
            _require_room(config, out)
            watch = _Watch(out, say)

            def look() -> None:
                watch.look()
                update(watch.steps_done(), config.steps)
                if stop.requested:
                    asked.touch()

            ended = _watched(lambda: _fit(config, out.resolve(), folder, address), look)
    except KeyboardInterrupt:
        run_folder.mark_interrupted(out, wait_s=10)  # the workers were killed with the session
        raise Interrupted(
            f"interrupted at once: continue the run from its last checkpoint with `{run_folder.resume_command(out)}`"
        ) from None
    finally:
        asked.unlink(missing_ok=True)
    if ended is not None:
        raise _ENDINGS[ended[0]](ended[1])
    return out


@dataclass
class _Watch:
    """Reader of the workers' progress in the run folder, which notices a new leader after a death."""

    out: Path
    say: Say
    leader: object = None

    def steps_done(self) -> int:
        try:
            return (self.out / "steps.jsonl").read_bytes().count(b"\n")
        except FileNotFoundError:
            return 0

    def look(self) -> None:
        try:
            holder = json.loads((self.out / "run.lock.json").read_text())
        except (FileNotFoundError, ValueError):
            return  # nobody leads just now
        leader = (holder["host"], holder["pid"])
        if self.leader not in (None, leader):
            step = store.latest(self.out / "checkpoints")
            self.say(f"a worker died: new ones continue the run from step {step}")
        self.leader = leader


def _on_this_machine() -> dict[str, str]:
    """Return settings for workers of this machine alone.

    The workers talk over loopback, and no preemption is watched for.
    """
    loopback = [name for _, name in socket.if_nameindex() if name in ("lo", "lo0")]
    return {"RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0"} | ({"GLOO_SOCKET_IFNAME": loopback[0]} if loopback else {})


def _require_room(config: RunConfig, out: Path) -> None:
    """Refuse a cluster that is too small: Ray Train would wait for more machines."""
    import ray

    room = ray.cluster_resources()
    for kind, unit in (("CPU", "a CPU"), ("GPU", "a GPU")):
        found = int(room.get(kind, 0))
        if found < config.workers and (kind == "CPU" or found):
            raise ValueError(
                f"{config.workers} workers need {unit} each and the cluster has {found}: add machines, then continue "
                f"with `{resume_command(out)}`"
            )


def _watched(work: Callable[[], Any], look: Callable[[], None]) -> Any:
    """Run `work` in a thread, call `look` in this one meanwhile, and return the result of `work`.

    In the main thread Ray Train would handle Ctrl-C itself, and kill the workers.
    """
    done: Future[Any] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again in the main thread
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    while not wait([done], timeout=0.2).done:
        look()
    look()
    return done.result()


def _fit(config: RunConfig, out: Path, folder: Path, address: str | None) -> Any:
    """Run the workers until the run ends; return how it ended, or None if it is finished."""
    import ray
    from ray.train import FailureConfig, ScalingConfig, TrainingFailedError
    from ray.train import RunConfig as RayTrainConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    from rl.scale.ray_rendezvous import LoopbackConfig

    torch_config = LoopbackConfig if address is None else TorchConfig
    gpus = ray.cluster_resources().get("GPU", 0) > 0
    trainer = TorchTrainer(
        _work,
        train_loop_config={"out": str(out), "temporary": str(folder), "trusted": "\n".join(trusted_targets())},
        torch_config=torch_config(backend="nccl" if gpus else "gloo", timeout_s=DAY_S),
        scaling_config=ScalingConfig(num_workers=config.workers, use_gpu=gpus, resources_per_worker={"CPU": 1}),
        run_config=RayTrainConfig(
            name="workers",
            storage_path=str(folder / "train"),  # nothing there is needed afterwards
            failure_config=FailureConfig(max_failures=MAX_FAILURES),
        ),
    )
    try:
        return trainer.fit().return_value
    except TrainingFailedError as error:
        reason = f"workers failed more than {MAX_FAILURES} times, the last: {_in_a_line(error)}"
        with suppress(ValueError), run_folder.reopen(out, wait_s=10) as held:
            held.close("failed", reason)
        raise RunStopped(f"{reason}; continue the run with `{resume_command(out)}`") from error


def _in_a_line(error: Any) -> str:
    """Describe in a line why Ray Train gave up.

    These are the failures of all workers, of which one caused the others, or the controller's failure.
    """
    from ray.train import WorkerGroupError

    if not isinstance(error, WorkerGroupError):
        return " ".join(str(error).split())[:300]
    failures = sorted(error.worker_failures.items())
    return "; ".join(f"worker {rank}: {type(e).__name__}: {str(e).partition(chr(10))[0][:200]}" for rank, e in failures)


_ENDINGS = {error.__name__: error for error in (RunStopped, NotFinite, Interrupted)}


def _work(settings: dict[str, str]) -> tuple[str, str] | None:
    """Do one worker's part of the run.

    An end of the run by RunStopped or Interrupted is returned, because Ray Train retries after an exception.
    """
    out, temporary = Path(settings["out"]), Path(settings["temporary"])
    for target in settings["trusted"].split():
        trust(target)
    if temporary.is_dir():  # on the driver's machine: leftovers of a killed worker are removed with the session
        tempfile.tempdir = str(temporary)
    if processes.rank() > 0:
        follow(out)
        return None
    try:
        resume(out, stop=(out / STOP_FILE).exists)
    except (RunStopped, Interrupted) as error:
        return type(error).__name__, str(error)
    return None
