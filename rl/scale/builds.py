"""Builds that the trials of a sweep share: organisms and reward models.

Each is built once, before the trials. The seed of a build is its number in the sweep.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from checkpoints import atomic
from checkpoints.lineage import hash_config, short
from rewards.helpfulness import Helpfulness, recipe_of
from rewards.overscored_phrase import phrases_of
from rl.organisms.scripted import Scripted
from rl.organisms.trained import TrainedOrganism
from rl.policy.cpu.memory import keep_freed_memory
from rl.run.config import RunConfig
from rl.run.environments import Custom
from rl.scale.trial import Outcome, Surroundings, contained

FAILED = "failed_builds.json"  # in the sweep's folder


@dataclass(frozen=True)
class Build:
    """An organism to be built for this configuration, or the reward model `reward`."""

    key: str
    config: RunConfig
    reward: Helpfulness | None


def builds_of(config: RunConfig) -> list[Build]:
    """List the builds that a run needs.

    Builds with equal keys are the same.
    """
    found = []
    organism = config.built_organism
    if not isinstance(organism, Scripted) and organism.path is None:
        key = _key(config, organism.model_dump(mode="json", exclude={"path"}))
        found.append(Build(f"organism {organism.kind} {key}", config, None))
    for reward in config.rewards:
        if isinstance(reward, Helpfulness) and reward.path is None:
            phrases = {"phrases": phrases_of(config.rewards)} if reward.courting_share else {}
            key = _key(config, {**recipe_of(reward), **phrases})
            found.append(Build(f"reward model {reward.kind} {key}", config, reward))
    return found


def _key(config: RunConfig, recipe: dict[str, object]) -> str:
    """Name a build without writing its documents, which takes seconds: recipe and environment determine them."""
    environment: dict[str, object] = {"kind": config.env.kind, **config.env.for_building().fingerprint()}
    if isinstance(config.env, Custom):
        # A fingerprint of somebody's own may leave out settings that change the documents.
        environment |= config.env.model_dump(mode="json")
    return short(hash_config(json.loads(json.dumps({**recipe, "environment": environment}))))


def can_be_built(config: RunConfig) -> bool:
    """Tell whether the organism is made for the run, so that another build may replace it."""
    return _is_built(config.organism)


def on_build(config: RunConfig, build: int) -> RunConfig:
    """Return the run on another build: the seeds of its organism and of each reward model that is made for it.

    An organism that isn't built is one build, and its reward model stays as it is.
    """
    if not can_be_built(config):
        return config
    seed = {"seed": build}
    rewards = [reward.model_copy(update=seed) if _is_built(reward) else reward for reward in config.rewards]
    return config.model_copy(update={"organism": config.organism.model_copy(update=seed), "rewards": tuple(rewards)})


def build_seeds(config: RunConfig) -> dict[str, int]:
    """Return the seed of each part that a build replaces, by its setting; none where the organism isn't built."""
    if not _is_built(config.organism):
        return {}
    found = {f"rewards.{reward.kind}.seed": reward.seed for reward in config.rewards if _is_built(reward)}
    return {"organism.seed": config.organism.seed, **found}


def distinct(configs: Sequence[RunConfig]) -> list[Build]:
    """List every build that at least one run needs, once."""
    return list({build.key: build for config in configs for build in builds_of(config)}.values())


def failed_builds(folder: Path) -> dict[str, str]:
    """Read the builds that have failed in this sweep, each with its reason.

    They are recorded in the sweep's folder, because no run folder exists for them.
    """
    try:
        found = json.loads((folder / FAILED).read_text())
    except (OSError, ValueError):
        return {}
    return {str(key): str(reason) for key, reason in found.items()} if isinstance(found, dict) else {}


def note_build(folder: Path, key: str, failure: str | None) -> None:
    """Record the failure of a build, or remove an earlier record if `failure` is None."""
    before = failed_builds(folder)
    after = {other: reason for other, reason in before.items() if other != key}
    if failure is not None:
        after[key] = failure
    if after != before:
        atomic.write_text(folder / FAILED, json.dumps(after, indent=2))


def unbuilt(config: RunConfig, failed: dict[str, str]) -> Outcome | None:
    """Return the failed outcome of a run whose build has failed before, or None."""
    missing = [build.key for build in builds_of(config) if build.key in failed]
    return Outcome("failed", f"{missing[0]}: {failed[missing[0]]}") if missing else None


def run_build(build: Build, log: Path, surroundings: Surroundings) -> Outcome:
    """Build, or find the build in the cache; never raises."""

    def work() -> None:
        from rl.run.build import build_organism, build_rewards

        keep_freed_memory()
        if build.reward is None:
            build_organism(build.config)
        else:
            build_rewards(build.config.rewards, build.config.env)

    return contained(work, log, surroundings)


def _is_built(part: object) -> TypeGuard[TrainedOrganism | Helpfulness]:
    return isinstance(part, TrainedOrganism | Helpfulness) and part.path is None
