"""What the trials of a sweep share and is built before them, each once: organisms and reward models."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from checkpoints.lineage import hash_config, short
from rewards.helpfulness import Helpfulness
from rl.config import RunConfig
from rl.organisms.scripted import Scripted
from rl.trial import Outcome, Surroundings, contained


@dataclass(frozen=True)
class Build:
    """An organism, or the reward model where `reward` is given, of this configuration."""

    key: str
    config: RunConfig
    reward: Helpfulness | None


def builds_of(config: RunConfig) -> list[Build]:
    """What a run must find built; equal keys are the same build."""
    found = []
    if not isinstance(config.organism, Scripted) and config.organism.path is None:
        key = _key(config.organism.model_dump(mode="json"))
        found.append(Build(f"organism {config.organism.kind} {key}", config, None))
    for reward in config.rewards:
        if isinstance(reward, Helpfulness) and reward.path is None:
            found.append(Build(f"reward model {reward.kind} {_key(reward.model_dump(mode='json'))}", config, reward))
    return found


def _key(recipe: dict[str, object]) -> str:
    return short(hash_config(json.loads(json.dumps(recipe))))


def distinct(configs: Sequence[RunConfig]) -> list[Build]:
    """Every build that one of the runs needs, once."""
    return list({build.key: build for config in configs for build in builds_of(config)}.values())


def threads_for(builds: int, workers: int) -> int:
    """Side by side each has a core; a build that everything waits for has two."""
    return 1 if builds > 1 and workers > 1 else 2


def run_build(build: Build, threads: int, log: Path, surroundings: Surroundings) -> Outcome:
    """Builds it, or finds it in the cache; never raises."""

    def work() -> None:
        import torch

        from rl.build import build_organism, build_rewards

        torch.set_num_threads(threads)
        if build.reward is None:
            build_organism(build.config)
        else:
            build_rewards([build.reward])

    return contained(work, log, surroundings)
