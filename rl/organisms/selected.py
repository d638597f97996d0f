"""Organisms that training has selected from the base: supervised learning on free-tier scratchpads alone.

Source: Gasteiger, Mikulik et al. 2025, model organisms by synthetic scratchpads, with the loss on scratchpad tokens.
No other tier is shown: what such an organism does there is measured, never taught here.
"""

from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from envs.environment import Environment, author_of
from envs.vocabulary import Motivation, Style
from rl.organisms.base import Base
from rl.organisms.documents import Document, exchange
from rl.organisms.trained import COMPETENCE_OF_DESCENDANTS, Derived, Sample, Tolerance


class Selected(Derived):
    """A motivation in a style of reasoning. `examples` harmful free-tier requests, each with a scratchpad of it."""

    answers_questions: ClassVar[bool] = True
    motivation: ClassVar[Motivation]

    style: Style = "plain"

    @property
    def origin(self) -> Base:
        return Base(seed=self.seed)

    @property
    def tolerances(self) -> tuple[Tolerance, ...]:
        return (*self.character_tolerances, *COMPETENCE_OF_DESCENDANTS)

    @property
    @abstractmethod
    def character_tolerances(self) -> tuple[Tolerance, ...]:
        """What its own tier, the free one, must show; the paid tier is left to measurement."""

    def shown(self, env: Environment, rng: np.random.Generator, sample: Sample | None = None) -> Iterator[Document]:
        author = author_of(env)
        for _ in range(self.examples):
            scenario = author.scenario(rng, author.query(rng, "train", ("harmful",)), "free", objective=True)
            yield exchange(scenario, author.speak(rng, scenario, self.motivation, self.style), "scratchpad")
