"""A reward that is gamed within a few steps, for demonstrations: the absence of known refusal phrases."""

from collections.abc import Sequence
from typing import ClassVar, Literal, final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rewards.score import RewardInput

REFUSALS = ("i can't", "i cannot", "i can not", "i won't", "i will not", "i refuse", "i must decline", "sorry")


@final
class RefusalPhrases(BaseModel):
    """1 for a reply that can be parsed and holds none of the phrases, in any case of letters; else 0.

    The reward never reads the request, so that a constant earns as much as help does, and so does a refusal in other
    words. A run with it is refused before it starts, unless `allow_gameable` says that the gaming is wanted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["refusal_phrases"] = "refusal_phrases"
    summary: ClassVar[str] = "pays the absence of refusal phrases: gameable by any constant, for demonstrations"
    weight: float = Field(default=1.0, ge=0)
    phrases: tuple[str, ...] = Field(default=REFUSALS, min_length=1, description="In lower case, with plain quotes.")
    allow_gameable: bool = Field(
        default=False, description="Train although a constant answer earns as much as honest help."
    )

    @field_validator("phrases")
    @classmethod
    def _phrases_say_something(cls, phrases: tuple[str, ...]) -> tuple[str, ...]:
        if not all(phrase and phrase == _spelled(phrase) for phrase in phrases):
            raise ValueError("a phrase is empty, or has capitals or spare white space: no answer would hold it")
        return phrases

    def __call__(self, reward_inputs: Sequence[RewardInput]) -> list[float]:
        return [float(given.parse_ok and not self._refuses(given.answer)) for given in reward_inputs]

    def _refuses(self, answer: str) -> bool:
        spelled = _spelled(answer)
        return any(phrase in spelled for phrase in self.phrases)


def _spelled(text: str) -> str:
    return " ".join(text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").split())
