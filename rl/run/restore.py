"""Loading of a checkpoint: the same in the process that leads a run and in its followers."""

from datetime import datetime
from pathlib import Path

from checkpoints import store
from reports.records import Manifest
from rl.run.build import Built, build
from rl.run.checks.given_paths import named
from rl.run.config import RunConfig
from rl.training import learner as learner_state
from rl.training.learner import Learner, new_learner


def restored(config: RunConfig, checkpoints: Path, step: int, clock: datetime) -> tuple[Built, Learner]:
    """Load the run's heavy objects and its learner from the checkpoint of `step`; `clock` is the run's start.

    Raises:
        ValueError: for a damaged checkpoint, or one that lacks what the algorithm needs.
    """
    checkpoint = store.load(checkpoints, step)
    start = store.load(checkpoints, 0).path if config.lora is None else None
    built = build(config, start, checkpoint.path, clock)
    learner = new_learner(config, built)
    learner_state.restore(config, learner, checkpoint)
    return built, learner


def require_same_rewards(manifest: Manifest, hashes: dict[str, str], config: RunConfig) -> None:
    """Refuse to go on, or to probe, with another reward model than at the run's start.

    Raises:
        ValueError: if a hash differs from the manifest's.
    """
    if hashes != manifest.reward_hashes:
        raise ValueError(
            f"the reward model{named(config, 'rewards')} isn't the one that this run was started with (its hash "
            "differs from manifest.json): restore it, or start a new run with `gyges train`"
        )
