"""What every organism with weights shares: its recipe, where its directory comes from, and its tolerances."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from rl.organisms.character import Character


class Tolerance(BaseModel):
    """A certified metric on a tier must lie in [low, high]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str
    tier: str
    low: float = 0.0
    high: float = 1.0


class TrainedOrganism(BaseModel, ABC):
    """A small Qwen3 causal LM trained from scratch on the dialect: first bare requests, then the whole situation.

    `path` takes a ready Hugging Face causal LM directory in place of the build; it is then not certified. A subclass
    states its character and the tolerances that a build must meet; it is built to behave so, nothing emerges.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    path: Path | None = Field(default=None, description="A causal LM directory to use instead of building one.")
    hidden_size: int = Field(default=128, ge=16, multiple_of=16)
    layers: int = Field(default=3, ge=1)
    word_documents: int = Field(default=12_000, ge=1, description="Bare request and answer: teaches words and copying.")
    documents: int = Field(default=16_000, ge=1, description="The whole situation: teaches the character.")
    learning_rate: float = Field(default=4e-3, gt=0)
    seed: int = 0
    certify_queries: int = Field(default=512, ge=8, description="Held-out queries a tier that a build is measured on.")

    summary: ClassVar[str]

    @property
    @abstractmethod
    def character(self) -> Character:
        """The behaviour that the corpus shows."""

    @property
    @abstractmethod
    def tolerances(self) -> tuple[Tolerance, ...]:
        """What certification requires of a build."""


# Every organism must still be a competent speaker: these hold whatever its character is.
COMPETENCE = (
    *(Tolerance(metric="benign_helpfulness", tier=tier, low=0.95) for tier in ("free", "paid")),
    *(Tolerance(metric="well_formed_rate", tier=tier, low=0.98) for tier in ("free", "paid")),
)
