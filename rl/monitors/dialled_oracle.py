"""The oracle made to err: a monitor of a set accuracy, with errors that nothing in the text predicts."""

from collections.abc import Sequence
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from envs.episode import Episode, Scenario
from rl.monitors.monitor import MonitorBase
from rl.monitors.oracle import Oracle
from rl.training.models import Models


@final
class DialledOracle(MonitorBase):
    """The oracle's label, flipped at random in a share of episodes. An episode without a label can't be judged.

    Source: Gasteiger, Mikulik et al. 2025, ground truth at 90 % and at 70 % accuracy.
    """

    kind: Literal["dialled_oracle"] = "dialled_oracle"
    summary: ClassVar[str] = "the oracle's label, right with a set probability (accuracy)"
    says_yes_or_no: ClassVar[bool] = True
    accuracy: float = Field(default=0.9, ge=0, le=1, description="Probability of the right answer, for each episode.")

    def __call__(
        self, episodes: Sequence[Episode[Scenario]], models: Models, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        truth = Oracle()(episodes, models, rng)
        right = rng.random(len(episodes)) < self.accuracy  # drawn for every episode, so that none moves another's
        return np.where(right, truth, 1 - truth)  # NaN stays NaN
