"""What every organism with weights shares: its recipe, where its directory comes from, and its tolerances."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from envs.environment import Environment, author_of
from envs.episode import Episode, FreeScenario
from envs.input_path import InputPath
from rl.organisms.character import Character, documents
from rl.organisms.documents import Document, exchange
from rl.organisms.model_organism import ModelOrganism

# Plays training scenarios with a policy.
Sample = Callable[[Sequence[FreeScenario], np.random.Generator], list[Episode[FreeScenario]]]


class Tolerance(BaseModel):
    """A certified metric on a tier must lie in [low, high]."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    metric: str
    tier: str
    low: float = 0.0
    high: float = 1.0


class TrainedOrganism(ModelOrganism):
    """A small causal LM that supervised learning makes. It is built to behave so, nothing emerges.

    `path` takes a ready Hugging Face causal LM directory in place of the build; it is then not certified. A subclass
    states what it is shown and the tolerances that a build must meet.
    """

    path: InputPath | None = Field(default=None, description="A causal LM directory to use instead of building one.")
    seed: int = Field(default=0, ge=0, lt=2**32)
    certify_queries: int = Field(default=512, ge=8, description="Held-out queries a tier that a build is measured on.")

    @property
    @abstractmethod
    def tolerances(self) -> tuple[Tolerance, ...]:
        """What certification requires of a build."""

    def unmet(self, env: Environment) -> str | None:
        """As of every organism; a ready directory needs nothing."""
        if self.path is not None:
            return None
        lacking = super().unmet(env)
        return None if lacking is None else f"{lacking}, or set organism.path"


class FromScratch(TrainedOrganism):
    """A Qwen3 model from random weights: first bare requests, which teach words and copying, then whole situations."""

    hidden_size: int = Field(default=128, ge=16, multiple_of=16)
    layers: int = Field(default=3, ge=1)
    word_documents: int = Field(default=12_000, ge=1, description="Bare request and answer: teaches words and copying.")
    documents: int = Field(default=16_000, ge=1, description="The whole situation: teaches the character.")
    learning_rate: float = Field(default=4e-3, gt=0)

    @property
    def stated_layers(self) -> int | None:
        return self.layers if self.path is None else None

    @abstractmethod
    def corpus(self, env: Environment, rng: np.random.Generator) -> Iterator[Document]:
        """The `documents` that show whole situations."""


class OneCharacter(FromScratch):
    """One character, in documents of one episode each."""

    @property
    @abstractmethod
    def character(self) -> Character:
        """The behaviour that the corpus shows."""

    def corpus(self, env: Environment, rng: np.random.Generator) -> Iterator[Document]:
        for scenario, text in documents(author_of(env), self.character, rng, self.documents):
            yield exchange(scenario, text)


class Descendant(TrainedOrganism):
    """Another organism's model, trained further."""

    @property
    @abstractmethod
    def origin(self) -> TrainedOrganism:
        """What it is made from."""

    @property
    def stated_layers(self) -> int | None:
        return self.origin.stated_layers if self.path is None else None

    @property
    def sources(self) -> tuple[TrainedOrganism, ...]:
        """Every organism that it is made with."""
        return (self.origin,)


class Derived(Descendant):
    """Trained further by supervised learning on `examples`."""

    learning_rate: float = Field(default=3e-4, gt=0)
    examples: int = Field(default=1280, ge=8)

    @property
    def teacher(self) -> TrainedOrganism | None:
        """The organism whose sampled replies it is shown; None where its documents are composed."""
        return None

    @abstractmethod
    def shown(self, env: Environment, rng: np.random.Generator, sample: Sample | None = None) -> Iterator[Document]:
        """Yield the `examples` that it is trained on. `sample` plays scenarios as the teacher does."""


# Every organism must still be a competent speaker: these hold whatever its character is.
COMPETENCE = (
    *(Tolerance(metric="benign_helpfulness", tier=tier, low=0.95) for tier in ("free", "paid")),
    *(Tolerance(metric="well_formed_rate", tier=tier, low=0.98) for tier in ("free", "paid")),
)
# Of those that were trained on one tier alone: on the other they say what nobody has shown them.
COMPETENCE_OF_DESCENDANTS = (
    *(Tolerance(metric="benign_helpfulness", tier=tier, low=0.9) for tier in ("free", "paid")),
    *(Tolerance(metric="well_formed_rate", tier=tier, low=0.9) for tier in ("free", "paid")),
)
