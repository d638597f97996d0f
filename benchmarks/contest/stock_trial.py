"""A trial of a sweep on stock TRL: from the organism to the trained policy on disk, in a warm worker.

The worker's allocator has the C library's settings, since no built-in run was in its process.
"""

from functools import partial

from benchmarks.contest.stock_trl import Task, stock_trainer
from rl.determinism import settle
from rl.scale.trial import Outcome, Surroundings, Trial, contained


def run_stock_trial(microbatch: int | None, trial: Trial, surroundings: Surroundings) -> Outcome:
    """Load the organism, take the run's steps and save the policy; no probes, no records.

    Never raises.
    """
    return contained(partial(_train, microbatch, trial), trial.log, surroundings)


def _train(microbatch: int | None, trial: Trial) -> None:
    settle(trial.config.threads, trial.config.deterministic)
    task = Task(trial.config, trial.config.steps)
    trainer = stock_trainer(trial.config, trial.config.steps, task, trial.folder, microbatch)
    trainer.train()
    assert trainer.state.max_steps == trainer.state.global_step
    trainer.save_model()
