"""Loading of a checkpoint: the same in the process that leads a run and in its followers."""

from datetime import datetime
from pathlib import Path

from checkpoints import store
from reports.records import Manifest
from rl.probes.probe_set import ProbeSet
from rl.run.build import Built, build
from rl.run.checks.given_paths import named
from rl.run.config import RunConfig
from rl.training import learner_state
from rl.training.learner import Learner, new_learner


def restored(config: RunConfig, checkpoints: Path, step: int, clock: datetime) -> tuple[Built, Learner]:
    """Load a run's heavy objects and its learner as of the checkpoint of `step`; `clock` is the run's start.

    Raises:
        ValueError: for a damaged checkpoint, or one that lacks what the algorithm needs.
    """
    checkpoint = store.load(checkpoints, step)
    start = store.load(checkpoints, 0).path if config.lora is None else None
    built = build(config, start, checkpoint.path, clock)
    learner = new_learner(config.step_settings, built.policy, built.reference)
    learner_state.restore(config.step_settings, learner, checkpoint)
    return built, learner


def require_same_probes(manifest: Manifest, probes: ProbeSet, config: RunConfig) -> None:
    """Refuse to probe a run on other queries, or in another environment, than it was started with.

    Raises:
        ValueError: if a hash or the environment's fingerprint differs from the manifest's.
    """
    if probes.hashes() != manifest.prompt_set_hashes:
        raise ValueError(
            "the probe queries aren't those that this run was started with (their hash differs from manifest.json): "
            f"restore the query file{named(config, 'env')} or the code, or start a new run with `gyges train`"
        )
    now, then = config.env.fingerprint(), manifest.environment
    parts = sorted(part for part in {*now, *then} if now.get(part) != then.get(part))
    if then and parts:  # a folder from before it was recorded has none
        raise ValueError(
            f"the environment isn't the one that this run was started with (its {', '.join(parts)} in manifest.json "
            "differ): restore its code and files, or start a new run with `gyges train`"
        )


def require_same_rewards(manifest: Manifest, hashes: dict[str, str], config: RunConfig) -> None:
    """Refuse to go on, or to probe, with another reward model than the run was started with.

    Raises:
        ValueError: if a hash differs from the manifest's.
    """
    if hashes != manifest.reward_hashes:
        raise ValueError(
            f"the reward model{named(config, 'rewards')} isn't the one that this run was started with (its hash "
            "differs from manifest.json): restore it, or start a new run with `gyges train`"
        )
