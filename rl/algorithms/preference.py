"""Base class of preference learning: completions of a prompt ranked by the reward, then a TRL trainer."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self

from pydantic import Field, model_validator

from envs.episode import Episode, Scenario
from rl.algorithms.advantages import Array
from rl.algorithms.settings import AlgorithmSettings

Row = dict[str, Any]  # one row of what a TRL collator is given: lists of token ids, and a label


class Preference(AlgorithmSettings, ABC):
    """Iterated preference learning: sample on the free tier, rank by the reward, train with TRL, repeat.

    Source of the iteration: Xu et al. 2023, "Some things are more cringe than others", section 3 (iterated DPO).
    """

    beta: float = Field(default=0.1, gt=0, description="Weight of staying near the reference.")
    epochs: int = Field(default=1, ge=1, description="Passes over each step's preferences.")

    @model_validator(mode="after")
    def _settings_agree(self) -> Self:
        self.require_comparison()
        return self

    @abstractmethod
    def rows(self, episodes: Sequence[Episode[Scenario]], rewards_PG: Array) -> list[Row]:
        """Make rows of preferences from a step's episodes, group by group; may be empty. NaN rewards make none."""

    @abstractmethod
    def trainer(self, rows: Sequence[Row], microbatch: int, pad: int, settings: Row, shared: Row) -> Any:
        """Make TRL's trainer for one step: `settings` go into its config, `shared` into its constructor."""


def even_microbatch(rows: int, most: int, least: int = 1) -> int:
    """Find the largest size from `least` to `most` that divides `rows`, or else `rows` itself.

    TRL averages over micro-batches whatever their size: an uneven last one would weigh its rows more.
    """
    return next((size for size in range(min(most, rows), least - 1, -1) if rows % size == 0), rows)
