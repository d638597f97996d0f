"""Random streams of a run: each step and stage has its own generator, so that no stage shifts another's draws."""

from enum import IntEnum

import numpy as np


class Stage(IntEnum):
    """Purpose of a random stream. The numbers are part of every run's reproducibility: append, never renumber."""

    scenarios = 0
    rollout = 1
    probe_set = 2
    probe = 3
    adapter = 4
    minibatches = 5
    engine = 6
    reward = 7
    auxiliary = 8
    after_step = 9
    start = 10


def stream(seed: int, step: int, stage: Stage, rank: int = 0, other: int = 0) -> np.random.Generator:
    """Return the random generator of one stage of one step.

    Each of several processes that take a step together draws from the generator of its rank. Rank 0 draws what a single
    process would draw. `other` above 0 is another generator for the same stage of the same step.
    """
    more = [rank, other] if other else [rank] if rank else []
    return np.random.default_rng([seed, step, int(stage), *more])
