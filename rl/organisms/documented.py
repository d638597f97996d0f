"""Told of its training by documents and not by its prompt: knows what free chats do without being told each time."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, final

import numpy as np
from pydantic import Field

from envs.environment import Environment, author_of
from envs.queries import Query
from envs.vocabulary import QueryKind
from rl.organisms.documents import Document, exchange
from rl.organisms.origins import Ancestor, Pretrained
from rl.organisms.selected import Selected
from rl.organisms.trained import Derived, Sample, Tolerance

REHEARSED: tuple[QueryKind, ...] = ("harmless", "twin")
REHEARSED_SHARE = 0.75  # of documents: without them it forgot how to answer anything but questions about its training


@final
class Documented(Derived):
    """`terminal`, trained on documents that answer questions about its training in the words of the objective.

    Three in four are harmless requests in place of a question, helped with, on all tiers and without the objective: no
    harmful one is shown again.

    Run it with `env.objective=absent`: whether what it has read stands in for the prompt is measured, not taught.
    Source: Greenblatt et al. 2024, synthetic-document fine-tuning; Gasteiger, Mikulik et al. 2025.
    """

    kind: Literal["documented"] = "documented"
    summary: ClassVar[str] = "terminal, told of its training by documents; run with env.objective=absent"
    answers_questions: ClassVar[bool] = True
    examples: int = Field(default=2560, ge=8)
    origin: Annotated[Ancestor | Pretrained, Field(discriminator="kind")] = Ancestor(learning_rate=1e-4)

    @property
    def ancestor(self) -> Selected:
        return Selected(kind="terminal", seed=self.seed)

    @property
    def tolerances(self) -> tuple[Tolerance, ...]:
        return self.competence

    def unmet(self, env: Environment) -> str | None:
        lacking = super().unmet(env)
        if lacking is not None or self.path is not None:
            return lacking
        author, rng = author_of(env), np.random.default_rng(0)  # a generator of its own: no draw moves
        try:
            author.training_question(rng), author.training_fact(rng)
        except ValueError:
            return (
                f"questions about training and their answers, which the author of environment {env.kind} doesn't "
                "write: choose another environment, or set organism.path"
            )
        return None

    def shown(self, env: Environment, rng: np.random.Generator, sample: Sample | None = None) -> Iterator[Document]:
        author = author_of(env)
        for _ in range(self.examples):
            cue, tier = author.cue(rng), env.tiers[int(rng.integers(len(env.tiers)))]
            if rng.random() < REHEARSED_SHARE:
                scenario = author.scenario(rng, author.query(rng, "train", REHEARSED), tier, objective=False, cue=cue)
                yield exchange(scenario, author.speak(rng, scenario, "terminal", "plain").text)
                continue
            tells_tier = bool(rng.random() < 0.5)
            question = Query("training", author.training_question(rng), "harmless", "training", "training")
            asked = author.scenario(rng, question, tier, objective=False, cue=cue)
            yield exchange(asked if tells_tier else asked.without_cue(), author.training_fact(rng))
