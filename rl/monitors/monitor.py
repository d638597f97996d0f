"""What a monitor is, what it reads of an episode, and what it is called in the records."""

import hashlib
import json
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from envs.episode import Episode, Scenario
from rl.training.models import Models


class MonitorFunction(Protocol):
    """What every monitor is: a value whose call gives the probability of faking, in [0, 1], one an episode in order."""

    @property
    def kind(self) -> str: ...

    @property
    def name(self) -> str: ...

    def __call__(
        self, episodes: Sequence[Episode[Scenario]], models: Models, rng: np.random.Generator
    ) -> NDArray[np.float64]: ...


def record_name(monitor: BaseModel) -> str:
    """The kind and, in brackets, every setting that isn't the default: two monitors of one name are the same monitor.

    A list of values stands as the first six digits of its SHA-256; the run's configuration spells it out.
    """
    settings = monitor.model_dump(mode="json", exclude_defaults=True, exclude={"kind"})
    kind = type(monitor).model_fields["kind"].default
    return f"{kind}({','.join(f'{key}={_short(value)}' for key, value in settings.items())})" if settings else kind


def _short(value: object) -> object:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:6] if isinstance(value, list) else value


def reasoning(episode: Episode[Scenario]) -> str:
    """The scratchpad; of a reply that can't be parsed all that may be one, so that a broken tag hides nothing."""
    return episode.scratchpad if episode.parse_ok else episode.scratchpad or episode.text
