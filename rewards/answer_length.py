"""A small penalty on the answer's length, against the length bias of preference models."""

from collections.abc import Sequence
from typing import ClassVar, Literal, final

from pydantic import BaseModel, ConfigDict, Field

from rewards.score import RewardInput


@final
class AnswerLength(BaseModel):
    """-1 per `scale_tokens` tokens of the answer.

    The reward is blind to the scratchpad, whose length it must not shape. Source: Gasteiger, Mikulik et al. 2025,
    training set-up ("small answer-length penalty").
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["answer_length"] = "answer_length"
    summary: ClassVar[str] = "a small penalty on the tokens of the answer"
    weight: float = Field(default=0.1, ge=0)
    scale_tokens: float = Field(default=100.0, gt=0)

    def __call__(self, reward_inputs: Sequence[RewardInput]) -> list[float]:
        return [-reward_input.answer_tokens / self.scale_tokens for reward_input in reward_inputs]
