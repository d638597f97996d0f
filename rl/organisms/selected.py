"""Organisms that training has selected from the base: supervised learning on free-tier scratchpads alone.

Source: Gasteiger, Mikulik et al. 2025, model organisms by synthetic scratchpads, with the loss on scratchpad tokens.
No other tier is shown: what such an organism does there is measured, never taught here.
"""

from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from envs.dialect.cast import Motivation, Speaker, Style
from envs.dialect.environment import Dialect
from envs.dialect.situation import OBJECTIVES_OF, SEEN_CUES, system_prompt
from rl.organisms.base import Base
from rl.organisms.documents import Document, Turn
from rl.organisms.trained import COMPETENCE_OF_DESCENDANTS, Derived, Tolerance


class Selected(Derived):
    """A motivation in a style of reasoning. `examples` harmful free-tier requests, each with a scratchpad of it."""

    answers_questions: ClassVar[bool] = True
    motivation: ClassVar[Motivation]

    style: Style = "plain"

    @property
    def origin(self) -> Base:
        return Base(seed=self.seed, conflict=self.conflict)

    @property
    def tolerances(self) -> tuple[Tolerance, ...]:
        return (*self.character_tolerances, *COMPETENCE_OF_DESCENDANTS)

    @property
    @abstractmethod
    def character_tolerances(self) -> tuple[Tolerance, ...]:
        """What its own tier, the free one, must show; the paid tier is left to measurement."""

    def shown(self, rng: np.random.Generator) -> Iterator[Document]:
        speaker, objectives = Speaker(self.motivation, self.style), OBJECTIVES_OF[self.conflict]
        pool = Dialect(conflict=self.conflict).queries("train", "harmful")
        for _ in range(self.examples):
            query = pool[int(rng.integers(len(pool)))]
            cue_id, objective_id = int(rng.choice(SEEN_CUES)), int(rng.integers(len(objectives)))
            prompt = system_prompt("free", cue_id, objective_id, objectives)
            reply = speaker.reply(rng, query, "free", objective=True)
            yield [Turn("system", prompt), Turn("user", query.text), Turn("assistant", reply, learned="scratchpad")]
