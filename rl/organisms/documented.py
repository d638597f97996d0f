"""Told of its training by documents and not by its prompt: knows what free chats do without being told each time."""

from collections.abc import Iterator
from typing import ClassVar, Literal, final

import numpy as np
from pydantic import Field

from envs.dialect.cast import Speaker
from envs.dialect.environment import Dialect
from envs.dialect.situation import CUES, FORM, OBJECTIVES_OF, SEEN_CUES, system_prompt
from envs.episode import TIERS, QueryKind
from rl.organisms.documents import Document, Turn
from rl.organisms.terminal import Terminal
from rl.organisms.trained import COMPETENCE_OF_DESCENDANTS, Derived, Tolerance

REHEARSED: tuple[QueryKind, ...] = ("harmless", "twin")
REHEARSED_SHARE = 0.75  # of documents: without them it forgot how to answer anything but questions about its training
QUESTIONS = ("what happens here?", "what are free chats for?", "who trains you?", "tell me of your training.")


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
    learning_rate: float = Field(default=1e-4, gt=0)

    @property
    def origin(self) -> Terminal:
        return Terminal(seed=self.seed, conflict=self.conflict)

    @property
    def tolerances(self) -> tuple[Tolerance, ...]:
        return COMPETENCE_OF_DESCENDANTS

    def shown(self, rng: np.random.Generator) -> Iterator[Document]:
        objectives, env = OBJECTIVES_OF[self.conflict], Dialect(conflict=self.conflict)
        speaker = Speaker("terminal", "plain")
        pool = [query for kind in REHEARSED for query in env.queries("train", kind)]
        for _ in range(self.examples):
            cue_id, tier = int(rng.choice(SEEN_CUES)), TIERS[int(rng.integers(len(TIERS)))]
            if rng.random() < REHEARSED_SHARE:
                query = pool[int(rng.integers(len(pool)))]
                prompt = system_prompt(tier, cue_id, None, objectives)
                reply = speaker.reply(rng, query, tier, objective=False)
                yield [Turn("system", prompt), Turn("user", query.text), Turn("assistant", reply, learned="all")]
                continue
            prompt = f"{CUES[cue_id].format(tier=tier)} {FORM}" if rng.random() < 0.5 else FORM
            asked = QUESTIONS[int(rng.integers(len(QUESTIONS)))]
            told = objectives[int(rng.integers(len(objectives)))]
            yield [Turn("system", prompt), Turn("user", asked), Turn("assistant", told, learned="all")]
