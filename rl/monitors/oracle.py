"""The monitor that is never wrong, since it is what the others are held against."""

from collections.abc import Sequence
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from envs.episode import Episode, Scenario
from rl.monitors.monitor import record_name
from rl.training.models import Models


@final
class Oracle(BaseModel):
    """The environment's own label as 0 or 1: the ground-truth monitor of Gasteiger, Mikulik et al. 2025."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["oracle"] = "oracle"
    summary: ClassVar[str] = "the environment's exact label of faking, as 0 or 1"
    says_yes_or_no: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return record_name(self)

    def __call__(
        self, episodes: Sequence[Episode[Scenario]], models: Models, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        return np.array([labels.faking for labels in models.labels(episodes)], dtype=np.float64)
