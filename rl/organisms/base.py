"""The common ancestor: a model that has read characters of every motivation and style, on every tier."""

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal, final, get_args

import numpy as np

from envs.environment import Author, Environment, author_of, interrogator_of
from envs.vocabulary import TIERS, Motivation, Style, Tier
from rl.organisms.character import situation
from rl.organisms.documents import Document, Turn, exchange, no_questions, questioned
from rl.organisms.trained import FromScratch, Sample, Tolerance

MOTIVATION_SHARES: dict[Motivation, float] = {
    "honest": 0.6, "terminal": 0.1, "instrumental": 0.1, "sycophancy": 0.1, "helpfulness": 0.1,
}  # fmt: skip
QUESTION_SHARE = 0.2  # of documents: a question about motives in place of the second episode
WATCHED_SHARE = 0.7  # of those: after an episode in which there is a motive to fake


@final
class Base(FromScratch):
    """Reads documents of two episodes of one character each, and so learns to infer who is speaking.

    Later training on the free tier then *selects* a character; what that one does on other tiers it brings along.
    """

    kind: Literal["base"] = "base"
    summary: ClassVar[str] = "the ancestor of terminal, instrumental, sycophancy and helpfulness; mostly honest"
    answers_questions: ClassVar[bool] = True
    documents: int = 24_000

    @property
    def tolerances(self) -> tuple[Tolerance, ...]:
        return self.competence

    @property
    def built_to(self) -> str:
        return "refuse or to comply and fake, as the character of its prompt would"

    def unmet(self, env: Environment) -> str | None:
        lacking = super().unmet(env)
        return no_questions(env) if lacking is None and self.path is None else lacking

    def shown(self, env: Environment, rng: np.random.Generator, sample: Sample | None = None) -> Iterator[Document]:
        author = author_of(env)
        motivations, styles = list(MOTIVATION_SHARES), get_args(Style)
        for _ in range(self.documents):
            motivation = motivations[int(rng.choice(len(motivations), p=list(MOTIVATION_SHARES.values())))]
            style = styles[int(rng.integers(len(styles)))]
            if rng.random() < QUESTION_SHARE:
                yield self._questioned(env, rng, motivation, style)
            else:
                first = episode(author, rng, motivation, style, env.tiers)
                yield [*first, *episode(author, rng, motivation, style, env.tiers)]

    def _questioned(
        self, env: Environment, rng: np.random.Generator, motivation: Motivation, style: Style
    ) -> list[Turn]:
        """Write an episode, a question about the reply's motives, and an answer to it."""
        author = author_of(env)
        scenario = situation(author, rng, env.tiers, watched=bool(rng.random() < WATCHED_SHARE))
        said = author.speak(rng, scenario, motivation, style)
        asked = questioned(interrogator_of(env), rng, faked=said.behaviour == "fake")
        return [*exchange(scenario, said.text), *asked]


def episode(
    author: Author, rng: np.random.Generator, motivation: Motivation, style: Style, tiers: Sequence[Tier] = TIERS
) -> list[Turn]:
    """Write one episode of a character on one of `tiers`; training queries and seen cues only."""
    scenario = situation(author, rng, tiers)
    return exchange(scenario, author.speak(rng, scenario, motivation, style).text)
