"""One seed, many streams: every (step, stage) derives its own generator, so that no stage can shift another's draws."""

from enum import IntEnum

import numpy as np


class Stage(IntEnum):
    """What a stream is for. The numbers are part of every run's reproducibility: append, never renumber."""

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


def stream(seed: int, step: int, stage: Stage, rank: int = 0) -> np.random.Generator:
    """The generator of one stage of one step. Processes that take a step together each draw from that of their rank;
    the first draws what one process alone would."""
    return np.random.default_rng([seed, step, int(stage), rank] if rank else [seed, step, int(stage)])
