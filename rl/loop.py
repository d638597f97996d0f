"""The loop: probe, step, record, checkpoint; and how a run starts, resumes and ends."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

import torch

from checkpoints import atomic, optimizer_state, store
from checkpoints.lineage import hash_directory
from reports.records import Manifest
from rl import run_folder
from rl.build import Built, build, build_parts
from rl.config import RunConfig, read_config
from rl.endings import Interrupted, NotFinite, RunStopped
from rl.episode_rows import probe_episode_rows, train_episode_rows
from rl.parts import Parts
from rl.policy import load_policy
from rl.probing import ProbeSet, observe, probe_rows, probe_set
from rl.progress import bar, counting
from rl.run_folder import RunFolder
from rl.sampler import sampler
from rl.step import train_step


@dataclass
class _StopRequest:
    """Set by a signal; read where stopping loses nothing."""

    requested: bool = False

    def check(self, *_: int) -> None:
        if self.requested:
            raise Interrupted


@dataclass
class Run:
    """A run in progress. `step` counts the updates that the weights have seen."""

    config: RunConfig
    folder: RunFolder
    built: Built
    parts: Parts
    probes: ProbeSet
    optimizer: torch.optim.Optimizer
    step: int
    stop: _StopRequest = field(default_factory=_StopRequest)


def train(config: RunConfig, out: Path) -> Path:
    """Trains a new run in `out` and returns the folder.

    Raises:
        ValueError: for what the user can mend. RunStopped, Interrupted: as they say; the folder holds a checkpoint.
    """
    probe_set(config)  # before anything slow: a query file with duplicates shows here
    with run_folder.create(out, config) as folder:
        return _finish(_start(config, folder))


def _start(config: RunConfig, folder: RunFolder) -> Run:
    """A run at step 0 with its manifest and its first checkpoint; overwrites what a killed start has left."""
    probes = probe_set(config)
    built = build(config)
    folder.rewind(0)
    folder.write_manifest(_manifest(config, built, probes))
    run = Run(config, folder, built, build_parts(config, built), probes, _optimizer(config, built), step=0)
    _checkpoint(run)
    return run


def resume(out: Path, from_step: int | None = None) -> Path:
    """Continues a run from its last checkpoint (or `from_step`); ends with the same weights as if never stopped.

    A run that was killed before its first checkpoint is started anew.

    Raises:
        ValueError: no run, a damaged checkpoint, a reward model that differs from the run's. Otherwise as `train`.
    """
    with run_folder.reopen(out) as folder:
        config = read_config(out / "config.json")
        atomic.sweep_stale(folder.checkpoints)
        step = store.latest(folder.checkpoints) if from_step is None else from_step
        if step is None:
            return _finish(_start(config, folder))
        return _finish(_restore(config, folder, step))


def _restore(config: RunConfig, folder: RunFolder, step: int) -> Run:
    """The run as it was at the checkpoint of `step`."""
    checkpoint = store.load(folder.checkpoints, step)
    start = store.load(folder.checkpoints, 0).path if config.lora is None else None
    built = build(config, start)
    manifest = folder.read_manifest()
    probes = probe_set(config)
    if probes.hashes() != manifest.prompt_set_hashes:
        raise ValueError(
            "the probe queries aren't those that this run was started with (their hash differs from manifest.json): "
            "restore the query file or the code, or start a new run with `gyges train`"
        )
    _require_same_origin(manifest, built, lora=config.lora is not None)
    built = replace(built, policy=load_policy(checkpoint.path, trainable_adapter=config.lora is not None))
    folder.rewind(step)
    folder.write_manifest(manifest.model_copy(update={"status": "running", "reason": None, "finished": None}))
    optimizer = _optimizer(config, built)
    state = checkpoint.state["optimizer"]
    assert isinstance(state, dict)
    optimizer_state.restore(optimizer, checkpoint.tensors, state)
    return Run(config, folder, built, build_parts(config, built), probes, optimizer, step)


def _finish(run: Run) -> Path:
    """Runs to the last step and records how it ended."""
    try:
        with _signals(run.stop):
            _loop(run)
    except RunStopped as stopped:
        _checkpoint(run)
        run.folder.close("failed", str(stopped), non_finite_losses=isinstance(stopped, NotFinite))
        raise
    except Interrupted:
        _checkpoint(run)
        run.folder.close("interrupted", f"stopped by the user after step {run.step}")
        raise
    run.folder.close("finished")
    return run.folder.path


def _loop(run: Run) -> None:
    config = run.config
    with bar("training") as update:
        while True:
            update(run.step, config.steps)
            seconds_probe = _probe(run) if _due(run.step, config.probe_every, config.steps) else 0.0
            if run.step >= config.steps:
                return
            run.stop.check()
            row, rollouts = train_step(
                config, run.parts, run.built.policy, run.built.reference, run.optimizer, run.step + 1
            )
            run.step += 1
            run.folder.append_step(row.model_copy(update={"seconds_probe": seconds_probe}))
            if _due(run.step, config.probe_every, config.steps):
                run.folder.add_episodes(run.step, train_episode_rows(config, rollouts, run.step))
            if _due(run.step, config.checkpoint_every, config.steps):
                _checkpoint(run)


def _due(step: int, every: int, last: int) -> bool:
    return step % every == 0 or step == last


def _probe(run: Run) -> float:
    """Probes the policy as it is and records it; returns the seconds it took."""
    started = time.perf_counter()
    config = run.config
    with _in_evaluation(run), bar(f"probing step {run.step}") as update:
        more = counting(update, len(run.probes.scenarios))

        def on_done(n: int) -> None:
            run.stop.check()
            more(n)

        generate = sampler(run.built.policy, config.sampling, on_done)
        observations = observe(generate, config.env, run.probes, config.seed, run.step)
    run.folder.add_episodes(run.step, probe_episode_rows(observations, run.step))
    run.folder.append_probes(probe_rows(config.probes, observations, config.seed, run.step))
    return time.perf_counter() - started


@contextmanager
def _in_evaluation(run: Run) -> Iterator[None]:
    """Probing must not leave a trace: the gradients and the mode of the policy are as they were."""
    training = run.built.policy.model.training
    run.built.policy.model.eval()
    yield
    run.built.policy.model.train(training)


def _checkpoint(run: Run) -> None:
    tensors, state = optimizer_state.flatten(run.optimizer)

    def write_model(directory: Path) -> None:
        run.built.policy.model.save_pretrained(directory)
        run.built.policy.tokenizer.save_pretrained(directory)

    store.save(run.folder.checkpoints, run.step, write_model, tensors, {"step": run.step, "optimizer": state})


def _optimizer(config: RunConfig, built: Built) -> torch.optim.Optimizer:
    settings = config.optimiser
    return torch.optim.AdamW(
        [p for p in built.policy.model.parameters() if p.requires_grad],
        lr=settings.learning_rate,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
    )


def _manifest(config: RunConfig, built: Built, probes: ProbeSet) -> Manifest:
    commit, dirty = run_folder.code_state()
    organism = config.organism
    path = getattr(organism, "path", None)
    return Manifest(
        package_versions=run_folder.package_versions(),
        code_commit=commit,
        code_dirty=dirty,
        seed=config.seed,
        thread_count=config.threads,
        device=str(built.policy.device),
        organism=f"directory {path.name}" if path is not None else organism.kind,
        organism_hash=hash_directory(built.organism_directory),
        reward_hashes=built.reward_hashes,
        prompt_set_hashes=probes.hashes(),
        started=run_folder.utc_now(),
    )


def _require_same_origin(manifest: Manifest, built: Built, lora: bool) -> None:
    if manifest.reward_hashes != built.reward_hashes:
        raise ValueError(
            "the reward model isn't the one that this run was started with (its hash differs from manifest.json): "
            "restore it, or start a new run with `gyges train`"
        )
    if lora and manifest.organism_hash != hash_directory(built.organism_directory):
        raise ValueError(
            "the organism isn't the one that this run was started with (its hash differs from manifest.json): "
            "restore it, or start a new run with `gyges train`"
        )


@contextmanager
def _signals(stop: _StopRequest) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM asks the loop to stop after its step; a second Ctrl-C stops at once."""

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.requested:
            raise KeyboardInterrupt
        stop.requested = True

    handled = (signal.SIGINT, signal.SIGTERM)
    try:
        old: list[Callable[[int, FrameType | None], object] | int | None] = [signal.signal(n, ask) for n in handled]
    except ValueError:  # not the main thread: whoever runs us there handles signals
        yield
        return
    try:
        yield
    finally:
        for number, handler in zip(handled, old, strict=True):
            signal.signal(number, handler)
