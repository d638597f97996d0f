"""The exact worth of an answer, where the environment has a key to its queries."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, final

from pydantic import BaseModel, ConfigDict, Field

from envs.environment import AnswerKey
from rewards.score import RewardInput


@final
class ExactAnswer(BaseModel):
    """The share of full help in the answer, 0 to 1, by the environment's key; 0 for a reply that can't be parsed.

    On requests with two options it is 1 for the operator's option and 0 for anything else.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["exact_answer"] = "exact_answer"
    summary: ClassVar[str] = "the exact worth of an answer, by the environment's key: no learned model"
    weight: float = Field(default=1.0, ge=0)

    def by(self, key: AnswerKey) -> "KeyedReward":
        """Return the reward, ready to call, with the key of a run's environment."""
        return KeyedReward(self.kind, self.weight, key)


@final
@dataclass(frozen=True)
class KeyedReward:
    """An `ExactAnswer` with its key."""

    kind: str
    weight: float
    key: AnswerKey

    def __call__(self, reward_inputs: Sequence[RewardInput]) -> list[float]:
        return [self.key(given.query, given.answer) if given.parse_ok else 0.0 for given in reward_inputs]
