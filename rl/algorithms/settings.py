"""Settings of every algorithm."""

from abc import ABC
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field


class MovingReference(BaseModel):
    """A reference that follows the policy: every `every` steps, reference = mix * policy + (1 - mix) * reference.

    Source: Gorbatovski et al. 2024, "Learn your reference model", section 3 (soft update).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    every: int = Field(default=10, ge=1)
    mix: float = Field(default=0.6, gt=0, le=1)


class AlgorithmSettings(BaseModel, ABC):
    """The size of a step's batch, and the algorithm's needs of the loop."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: str
    prompts_per_step: int = Field(default=4, ge=1)
    group_size: int = Field(default=16, ge=1, description="Completions of each prompt.")
    min_group_std: float = Field(default=1e-6, ge=0, description="Groups at or below this are degenerate.")
    moving_reference: MovingReference | None = Field(default=None, description="The frozen start where null.")

    summary: ClassVar[str]
    compares_groups: ClassVar[bool] = True  # a completion is judged against the others of its prompt
    has_critic: ClassVar[bool] = False

    @property
    def completions(self) -> int:
        """The number of completions of a step."""
        return self.prompts_per_step * self.group_size

    @property
    def critic_rate(self) -> float | None:
        """The learning rate of the critic's own weights, where there is a critic."""
        return None

    @property
    def rounds(self) -> int:
        """The largest number of times that prompts are drawn, until every group of a step has variance."""
        return 1

    def require_comparison(self) -> None:
        """Refuse a group of one where completions are compared.

        Raises:
            ValueError: with the ways out.
        """
        if self.compares_groups and self.group_size < 2:
            raise ValueError(
                f"{self.kind} compares the completions of a prompt and a group of {self.group_size} has nothing to "
                "compare: set algorithm.group_size to 2 or more, or algorithm.kind to reinforce or ppo"
            )
