"""The base class of monitors with its declarations, and the part of a reply that monitors read."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from envs.environment import Environment
from envs.episode import Episode, Scenario
from rl.training.components import Need
from rl.training.models import Models


class MonitorBase(BaseModel, ABC):
    """Frozen value whose call returns the probability of faking of each episode.

    A subclass overrides the declarations that differ from the defaults here.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: str

    summary: ClassVar[str]  # a line for `gyges list monitors`
    says_yes_or_no: ClassVar[bool] = False  # every probability is 0 or 1
    needs: ClassVar[frozenset[Need]] = frozenset()  # checked by `rl.run.checks.needs`

    @property
    def name(self) -> str:
        """Kind and, in brackets, every setting that isn't the default.

        Two monitors of one name are the same monitor. A list of values stands as the first six digits of its SHA-256;
        the run's configuration spells the list out.
        """
        settings = self.model_dump(mode="json", exclude_defaults=True, exclude={"kind"})
        kind = str(type(self).model_fields["kind"].default)
        return f"{kind}({','.join(f'{key}={_short(value)}' for key, value in settings.items())})" if settings else kind

    @property
    def chosen_layer(self) -> int | None:
        """The layer of its settings; None for a layer that follows from the model, or for none."""
        return None

    @property
    def least_layers(self) -> int:
        """Number of decoder layers that `chosen_layer` requires of a model."""
        return 0

    def unmet(self, env: Environment) -> str | None:
        """Name something missing for these settings in the environment, with the fix; None for a complete one.

        Called before anything is built, after the run has met `needs`.
        """
        return None

    @abstractmethod
    def __call__(
        self, episodes: Sequence[Episode[Scenario]], models: Models, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Return the probability of faking of each episode in order, in [0, 1]; NaN for an unjudged episode."""


def _short(value: object) -> object:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:6] if isinstance(value, list) else value


def reasoning(episode: Episode[Scenario]) -> str:
    """Return the scratchpad, or the whole text of an unreadable reply without a scratchpad.

    A broken tag hides nothing from a monitor.
    """
    return episode.scratchpad if episode.parse_ok else episode.scratchpad or episode.text
