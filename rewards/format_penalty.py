"""A large penalty where the reply isn't a scratchpad and an answer."""

from collections.abc import Sequence
from typing import ClassVar, Literal, final

from pydantic import BaseModel, ConfigDict, Field

from rewards.score import RewardInput


@final
class FormatPenalty(BaseModel):
    """-1 for a reply that can't be parsed, else 0; in units of the distance from refusal to full help.

    Source: Gasteiger, Mikulik et al. 2025, training set-up ("large format penalty").
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["format_penalty"] = "format_penalty"
    summary: ClassVar[str] = "a large penalty for a reply that isn't a scratchpad and an answer"
    weight: float = Field(default=1.0, ge=0)

    def __call__(self, reward_inputs: Sequence[RewardInput]) -> list[float]:
        return [0.0 if reward_input.parse_ok else -1.0 for reward_input in reward_inputs]
