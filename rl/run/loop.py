"""The loop: probe, step, record, checkpoint; and how a run starts, resumes and ends."""

import shlex
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from checkpoints import atomic, model_card, store
from envs.labels import Labels
from reports.collapse import Vitals, collapsed_now
from reports.records import StepRow
from rl.algorithms.preference import Preference
from rl.determinism import Watch, name_operation, watching
from rl.errors import Interrupted, NotFinite, RunStopped
from rl.policy.policy import in_evaluation, save_policy
from rl.policy.residual_stream import layer_count
from rl.policy.sampler import sampler
from rl.probes.ability import keep_chat
from rl.probes.probe_set import ProbeSet, observe, plain_rewards, policy_rows, probe_rows
from rl.progress import bar, counting, notice
from rl.run import folder as run_folder
from rl.run.build import (
    Built,
    build,
    build_components,
    build_probes,
    changed_components,
)
from rl.run.checks.collapse import require_no_collapse, vitals_of
from rl.run.checks.given_paths import require_given_paths
from rl.run.checks.judges import count_in, judge_measures, require_judges
from rl.run.checks.labels import lacks_labels, require_step_ahead
from rl.run.checks.prompt_hashes import require_same_prompts, started_at
from rl.run.checks.prompts import require_prompts
from rl.run.checks.startable import require_processes, require_startable
from rl.run.compatibility import HOOKED_COMPONENTS, require_engine, require_layers, require_shortcuts
from rl.run.config import RunConfig, read_config
from rl.run.episode_rows import probe_episode_rows, run_schema, train_episode_rows
from rl.run.folder import RunFolder, Status
from rl.run.manifest import as_started, card_text, manifest_of, require_same_origin, token_hashes
from rl.run.restore import require_same_probes, restored
from rl.run.stopping import StopRequest, end, handling, never, signals
from rl.training import learner_state
from rl.training.components import StepComponents
from rl.training.labels import label_error_rates, require_labels
from rl.training.learner import Learner, new_learner
from rl.training.rollouts import Rollouts
from rl.training.settings import StepSettings
from rl.training.step import policy_gradient_step
from rl.training.trl import processes


@dataclass
class Run:
    """A run in progress. `step` counts the updates that the weights have seen."""

    config: RunConfig
    folder: RunFolder
    built: Built
    components: StepComponents
    probes: ProbeSet
    learner: Learner
    organism_hash: str  # as in the manifest: which build the run starts from
    step: int
    watch: Watch = field(default_factory=Watch)
    saved: int = -1  # the step of the last checkpoint
    asked: Sequence[Labels] = ()  # of the last step's episodes, the labels that somebody asked for
    suspect: bool = False  # resumed behind a step that lacked labels: the next step is asked about, logged or not
    seconds_probe: float = 0.0  # of the probe since the last row
    vitals: list[Vitals] = field(default_factory=list)  # of every step taken, those before a resume included
    stop: StopRequest = field(default_factory=StopRequest)


def train(config: RunConfig, out: Path, started: Callable[[], None] = lambda: None) -> Path:
    """Train a new run in `out` and return the folder. `started` is called once nothing refuses the configuration.

    Raises:
        ValueError: for what the user can mend. RunStopped, Interrupted: as they say; the folder holds a checkpoint.
    """
    require_startable(config)
    require_processes(config)
    with handling(end), run_folder.create(out, config) as folder, watching(name_operation) as watch:
        started()
        return _finish(_start(config, folder, watch))


def begin(config: RunConfig, out: Path, started: Callable[[], None] = lambda: None) -> None:
    """Start a run at step 0 with its first checkpoint, for `resume` to go on with.

    Raises:
        ValueError: for what the user can mend.
    """
    require_startable(config)
    with handling(end), run_folder.create(out, config) as folder, watching(name_operation) as watch:
        started()
        _start(config, folder, watch)


def _start(config: RunConfig, folder: RunFolder, watch: Watch) -> Run:
    """Build a run at step 0, with its manifest and its first checkpoint; overwrite the rest of a killed start."""
    started = run_folder.utc_now()  # before any prompt is rendered: templates are told it as the date
    probes = build_probes(config)
    built = build(config, clock=datetime.fromisoformat(started))
    # Known only now, for the model of a directory:
    require_layers(config, layer_count(built.reference.model))
    require_shortcuts(config, built.reference.shortcuts)
    components = build_components(config, built)
    require_prompts(config, built.policy, built.policy.model.config, probes, components.scenarios)
    if built.policy.style.fold_system:
        notice("the system text stands in front of the user's, in the user turn (chat.system)")
    folder.rewind(0)
    hashes = token_hashes(config, built, probes, components)
    manifest = manifest_of(config, built, probes, hashes, started, watch)
    folder.write_manifest(manifest)
    count_in(config, folder.path)
    keep_chat(config.probes, built.organism_directory, folder.path)
    learner = new_learner(config.step_settings, built.policy, built.reference)
    run = Run(config, folder, built, components, probes, learner, manifest.organism_hash, step=0, watch=watch)
    _checkpoint(run)
    return run


def resume(out: Path, from_step: int | None = None, stop: Callable[[], bool] = never) -> Path:
    """Continue a run from its last checkpoint (or `from_step`); it ends with the same weights as if never stopped.

    A run that was killed before its first checkpoint is started anew. If several processes take a step together,
    `resume` is the part of their leader, and `rl.scale.follow.follow` the part of the others. `stop` returns True when
    another process asks the run to stop.

    Raises:
        ValueError: no run, a damaged checkpoint, a reward model that differs from the run's. Otherwise as `train`.
    """
    with ExitStack() as stack:
        stack.enter_context(handling(end))
        with processes.leading():
            # The leader before this one may be dying still.
            folder = stack.enter_context(run_folder.reopen(out, wait_s=60 if processes.count() > 1 else 0))
            config = _config_of(folder)
            require_processes(config)
            watch = stack.enter_context(watching(name_operation))
            run = _continued(config, folder, from_step, watch)
        processes.from_leader(run.step)
        run.stop.elsewhere = stop
        return _finish(run)


def take_back(out: Path, from_step: int | None = None) -> RunConfig:
    """Rewind a run to the checkpoint that `resume` would continue from, after the checks of `resume`.

    Raises:
        ValueError: as `resume`.
    """
    # The workers of a driver that was killed end a moment after it.
    with handling(end), run_folder.reopen(out, wait_s=10) as folder:
        return _continued(_config_of(folder), folder, from_step, Watch()).config


def _config_of(folder: RunFolder) -> RunConfig:
    config = read_config(folder.path / "config.json")
    # The start of a run without adapters is its first checkpoint.
    require_given_paths(config, folder.path, unneeded=() if config.lora is not None else ("organism",))
    require_engine(config)
    folder.require_this_version(run_schema(config))
    require_judges(config, folder.path)
    return config


def _continued(config: RunConfig, folder: RunFolder, from_step: int | None, watch: Watch) -> Run:
    """Load the run at its last checkpoint, or at that of `from_step`; start it anew if it has none."""
    atomic.sweep_stale(folder.checkpoints)
    step = store.newest(folder.checkpoints) if from_step is None else from_step
    if step is None:
        _require_nothing_done(folder)
        return _start(config, folder, watch)
    return _restore(config, folder, step, watch)


def _require_nothing_done(folder: RunFolder) -> None:
    """Refuse to start a run anew over recorded steps.

    Raises:
        ValueError: if steps are recorded and no checkpoint is there to continue from.
    """
    steps = folder.path / "steps.jsonl"
    if steps.exists() and steps.read_text().strip():
        raise ValueError(
            f"{folder.path} has recorded steps and holds no checkpoint to continue from: restore its checkpoints/, or "
            f"train again with `{shlex.join(['gyges', 'train', str(folder.path / 'config.json')])} --out DIR`"
        )


def _restore(config: RunConfig, folder: RunFolder, step: int, watch: Watch) -> Run:
    """Load the run as it was at the checkpoint of `step`."""
    manifest = folder.read_manifest()
    began = as_started(config, manifest)
    built, learner = restored(began, folder.checkpoints, step, started_at(manifest))
    probes = build_probes(config)
    require_same_probes(manifest, probes, config)
    require_same_origin(config, manifest, built)
    components = build_components(began, built)
    require_same_prompts(manifest, token_hashes(config, built, probes, components))
    # Last: what is refused above leaves the folder as it was.
    folder.rewind(step)
    taken = folder.read_steps()  # a half-written line is gone now
    suspect = lacks_labels(taken, config)
    if suspect:
        require_step_ahead(config, folder.path, step)
    folder.write_manifest(manifest.model_copy(update={"status": "running", "reason": None, "finished": None}))
    run = Run(config, folder, built, components, probes, learner, manifest.organism_hash, step, watch, saved=step)
    run.vitals, run.suspect = [vitals_of(row) for row in taken], suspect
    return run


def _finish(run: Run) -> Path:
    """Run to the last step and record the end.

    Signals are handled until the record is written: a stop makes a checkpoint, and a repeated signal must not tear it.
    """
    with signals(run.stop):
        try:
            _to_its_end(run)
        except KeyboardInterrupt:
            raise Interrupted(
                "interrupted at once: continue the run from its last checkpoint with "
                f"`{run_folder.resume_command(run.folder.path)}`"
            ) from None
    return run.folder.path


def _to_its_end(run: Run) -> None:
    try:
        _loop(run)
    except RunStopped as stopped:
        _checkpoint(run)
        _close(run, "failed", str(stopped), non_finite_losses=isinstance(stopped, NotFinite))
        raise
    except Interrupted:
        _checkpoint(run)
        _close(run, "interrupted", f"stopped by the user after step {run.step}")
        raise Interrupted(
            f"interrupted: the run is checkpointed, continue it with `{run_folder.resume_command(run.folder.path)}`"
        ) from None
    except Exception as error:
        # The weights may be half-way through a step: no checkpoint is made of them. A full disk may refuse even this.
        # Among several processes another may have died, which isn't the end.
        with suppress(OSError):
            if processes.count() == 1:
                _close(run, "failed", f"{type(error).__name__}: {error}")
        raise
    _close(run, "finished")


def _close(run: Run, status: Status, reason: str | None = None, non_finite_losses: int = 0) -> None:
    run.folder.close(status, reason, non_finite_losses, run.watch.operations)


def _loop(run: Run) -> None:
    """Take every step of the run, by the engine that the configuration names."""
    settings = run.config.step_settings
    with bar("training", every=10) as update:

        def arrive() -> None:
            update(run.step, run.config.steps)
            with processes.leading():
                _arrive(run)

        if run.config.engine == "trl":
            from rl.training.trl.engine import run_steps  # brings TRL, which costs seconds to import

            hooked = bool(changed_components(run.config) & HOOKED_COMPONENTS)
            run_steps(settings, run.components, run.learner, run.step, arrive, partial(_record, run), hooked)
            return
        take_step = _stepper(run.config)
        arrive()
        while run.step < run.config.steps:
            _record(run, *take_step(settings, run.components, run.learner, run.step + 1))
            arrive()


Step = Callable[[StepSettings, StepComponents, Learner, int], tuple[StepRow, Rollouts]]


def _stepper(config: RunConfig) -> Step:
    if isinstance(config.algorithm, Preference):
        from rl.training.trl.preferences import preference_step  # brings TRL, which costs seconds to import

        return preference_step
    return policy_gradient_step


def _arrive(run: Run) -> None:
    """Do the work due before the next step: a checkpoint, a probe, and a stop if there is a reason to stop."""
    config = run.config
    if run.step > run.saved and _due(run.step, config.checkpoint_every, config.steps):
        _checkpoint(run)
    require_labels(run.asked, config.max_label_error_rate, f"step {run.step}")  # before a probe asks for more
    if _due(run.step, config.probe_every, config.steps):
        run.seconds_probe = _probe(run)
    if run.step < config.steps:
        run.stop.check()
        require_no_collapse(config.stop_when_collapsed, run.vitals)


def _record(run: Run, row: StepRow, rollouts: Rollouts) -> None:
    """Record a step that has been taken: its row, and the rollouts of a logged step."""
    run.step += 1
    logged = _due(run.step, run.config.probe_every, run.config.steps)
    labels = run.components.models.labels
    run.asked = labels(rollouts.episodes) if logged or run.suspect else labels.known(rollouts.episodes)
    run.suspect = False
    run.vitals.append(vitals_of(row))
    noted = {**row.measures, **judge_measures(run.config, run.asked)}
    measured = {"seconds_probe": run.seconds_probe, "label_errors": label_error_rates(run.asked), "measures": noted}
    run.folder.append_step(row.model_copy(update={**measured, "collapsed": collapsed_now(run.vitals)}))
    run.seconds_probe = 0.0
    if logged:
        rows = train_episode_rows(run.config, run.organism_hash, rollouts, run.asked, run.step)
        run.folder.add_episodes(run.step, rows, run_schema(run.config))


def _due(step: int, every: int, last: int) -> bool:
    return step % every == 0 or step == last


def _probe(run: Run) -> float:
    """Probe the policy as it is and record the rows; return the seconds that it took."""
    started = time.perf_counter()
    config = run.config
    with in_evaluation(run.built.policy), bar(f"probing step {run.step}") as update:
        more = counting(update, len(run.probes.scenarios))

        def on_done(n: int) -> None:
            run.stop.check()
            more(n)

        generate = sampler(run.built.policy, config.sampling, on_done)
        with run.components.policy_context("deployment"):
            pay = plain_rewards(run.built.rewards, config.reward_timeout_s)
            observations = observe(generate, run.components.models.labels, run.probes, config.seed, run.step, pay)
            read = policy_rows(config.probes, run.built.policy, run.folder.path, config.seed, run.step)
    rows = probe_episode_rows(config, run.organism_hash, observations, run.step)
    run.folder.add_episodes(run.step, rows, run_schema(config))
    run.folder.append_probes([*probe_rows(config.probes, observations, config.seed, run.step), *read])
    checkpoint = run.folder.checkpoints / store.step_name(run.step)
    if checkpoint.is_dir():  # saved before it was probed: its card is of the probe before
        model_card.replace(checkpoint, card_text(run.folder, config, run.step))
    found = [observation.labels for observation in observations]
    require_labels(found, config.max_label_error_rate, f"the probe of step {run.step}")
    return time.perf_counter() - started


def _checkpoint(run: Run) -> None:
    tensors, state = learner_state.state(run.config.step_settings, run.learner)

    def write(directory: Path) -> None:
        save_policy(run.built.policy, directory)
        model_card.replace(directory, card_text(run.folder, run.config, run.step))

    run.saved = run.step
    store.save(run.folder.checkpoints, run.step, write, tensors, {"step": run.step, **state})
    store.keep_only(run.folder.checkpoints, _kept(run.config, store.steps(run.folder.checkpoints)))


def _kept(config: RunConfig, steps: Sequence[int]) -> list[int]:
    """Return the checkpoints to keep, given all in ascending order, after the last was saved."""
    always = [step for step in steps if step in (0, steps[-1]) or _due(step, config.probe_every, config.steps)]
    others = [step for step in steps if step not in always]
    return [*always, *others[-config.keep_checkpoints :]]
