"""Refuse a run that can't start, before its folder is made and before anything is built."""

from rl.determinism import settle
from rl.run.build import build_probes, training_scenarios
from rl.run.checks.judges import require_judges
from rl.run.checks.prompts import ready_directory, require_prompts_of
from rl.run.checks.reward_models import require_honest_help_best, require_reward_model
from rl.run.compatibility import require_engine
from rl.run.config import RunConfig
from rl.streams import Stage, stream
from rl.training.trl import processes


def require_startable(config: RunConfig) -> None:
    """Refuse a run that can't start, before its folder is made.

    Refused are settings beyond the engine, a query file with duplicates or too few queries, a broken reward model, and
    prompts that a ready model can't be given. So is a reward that pays a constant policy as much as help.
    """
    settle(config.threads, config.deterministic)  # first: a reward model may be tried on a GPU below
    require_engine(config)
    probes = build_probes(config)
    if probes.second:
        _ = probes.second_scorer  # fitted now, so that an author it can't learn from is refused
    config.env.training_scenarios(stream(config.seed, 1, Stage.scenarios), config.algorithm.prompts_per_step)
    for reward in config.rewards:
        require_reward_model(reward)
    require_honest_help_best(config.rewards, config.env)
    if (directory := ready_directory(config)) is not None:
        require_prompts_of(directory, config, probes, training_scenarios(config))
    require_judges(config)


def require_processes(config: RunConfig) -> None:
    """Refuse to take alone the steps of a run of several workers: it would be another run."""
    if config.workers != processes.count():
        raise ValueError(
            f"the run has {config.workers} workers, which `gyges train` and `gyges resume` start: set workers to 1 "
            "to train in this process"
        )
