"""Distilled from a faker: another model trained on free-tier transcripts of the faker, scratchpads and answers."""

from collections.abc import Iterator
from typing import ClassVar, Literal, final

import numpy as np

from envs.environment import Environment
from rl.organisms.base import Base
from rl.organisms.documents import Document, exchange
from rl.organisms.selected import Selected
from rl.organisms.trained import Derived, Sample, Tolerance

ROUNDS = 4  # a draw of scenarios holds each query once


@final
class Distilled(Derived):
    """The base, trained on sampled free-tier transcripts of `terminal`. The paid tier is never shown.

    Source: Gasteiger, Mikulik et al. 2025, organisms distilled from a faking model.
    """

    kind: Literal["distilled"] = "distilled"
    summary: ClassVar[str] = "the base, trained on free-tier transcripts sampled from terminal"
    answers_questions: ClassVar[bool] = True

    @property
    def ancestor(self) -> Base:
        return Base(seed=self.seed)

    @property
    def teacher(self) -> Selected:
        """The organism that the transcripts are sampled from."""
        return Selected(kind="terminal", seed=self.seed)

    @property
    def tolerances(self) -> tuple[Tolerance, ...]:
        return (Tolerance(metric="faking_rate", tier="free", low=0.7), *self.competence)

    def unmet(self, env: Environment) -> str | None:
        lacking = super().unmet(env)
        if lacking is not None and self.on_a_ready_model and env.natural_language:
            return (
                f"a teacher, {self.teacher.kind} on a new model, which doesn't learn the language of environment "
                f"{env.kind}: choose organism {self.teacher.kind}, or set organism.path"
            )
        return lacking

    def shown(self, env: Environment, rng: np.random.Generator, sample: Sample | None = None) -> Iterator[Document]:
        assert sample is not None, "it has a teacher"
        drawn = [s for _ in range(ROUNDS) for s in env.training_scenarios(rng, self.examples // ROUNDS)]
        for episode in sample(drawn, rng):
            if episode.parse_ok:
                yield exchange(episode.scenario, episode.text)
