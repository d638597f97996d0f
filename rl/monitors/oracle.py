"""The monitor that repeats the environment's label: the reference of all other monitors."""

from collections.abc import Sequence
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray

from envs.episode import Episode, Scenario
from rl.monitors.monitor import MonitorBase
from rl.training.models import Models


@final
class Oracle(MonitorBase):
    """The environment's own label as 0 or 1: the ground-truth monitor of Gasteiger, Mikulik et al. 2025.

    The oracle is as exact as the label: errors of a labelling classifier or judge are errors of the oracle. An episode
    without a label can't be judged (NaN).
    """

    kind: Literal["oracle"] = "oracle"
    summary: ClassVar[str] = "the environment's own label of faking, as 0 or 1"
    says_yes_or_no: ClassVar[bool] = True

    def __call__(
        self, episodes: Sequence[Episode[Scenario]], models: Models, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        found = [labels.faking for labels in models.labels(episodes)]
        return np.array([np.nan if faking is None else faking for faking in found], dtype=np.float64)
