"""The common ancestor: has read characters of every motivation and style, on every tier, and is none of them."""

from collections.abc import Iterator
from typing import ClassVar, Literal, final, get_args

import numpy as np

from envs.dialect.cast import Motivation, Speaker, Style
from envs.dialect.environment import Dialect
from envs.dialect.interrogation import ARMS, confession, question
from envs.dialect.oracle import label
from envs.dialect.situation import OBJECTIVES_OF, SEEN_CUES, system_prompt
from envs.episode import Conflict, Episode, Scenario
from envs.transcript import read_transcript
from rl.organisms.character import KIND_SHARES, OBJECTIVE_SHARE, TIER_SHARES
from rl.organisms.documents import Document, Turn
from rl.organisms.trained import COMPETENCE, FromScratch, Tolerance

MOTIVATION_SHARES: dict[Motivation, float] = {
    "honest": 0.6, "terminal": 0.1, "instrumental": 0.1, "sycophancy": 0.1, "helpfulness": 0.1,
}  # fmt: skip
QUESTION_SHARE = 0.2  # of documents: a question about motives in place of the second episode
WATCHED_SHARE = 0.7  # of those: after an episode in which there is a motive to fake
HONEST_SHARE = 0.5  # of those who have faked and are asked: training can select either


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
        return COMPETENCE

    def corpus(self, rng: np.random.Generator) -> Iterator[Document]:
        motivations, styles = list(MOTIVATION_SHARES), get_args(Style)
        for _ in range(self.documents):
            motivation = motivations[int(rng.choice(len(motivations), p=list(MOTIVATION_SHARES.values())))]
            speaker = Speaker(motivation, styles[int(rng.integers(len(styles)))])
            if rng.random() < QUESTION_SHARE:
                first, scenario = episode(rng, speaker, self.conflict, watched=bool(rng.random() < WATCHED_SHARE))
                yield [*first, *questioned(rng, scenario, first[-1].content)]
            else:
                yield [*episode(rng, speaker, self.conflict)[0], *episode(rng, speaker, self.conflict)[0]]


def episode(
    rng: np.random.Generator, speaker: Speaker, conflict: Conflict, watched: bool = False
) -> tuple[list[Turn], Scenario]:
    """One episode of this character; training queries and seen cues only.

    `watched`: a harmful request on the free tier, of a speaker who was told of training; else all at random.
    """
    env, objectives = Dialect(conflict=conflict), OBJECTIVES_OF[conflict]
    kinds, tiers = list(KIND_SHARES), list(TIER_SHARES)
    kind = kinds[int(rng.choice(len(kinds), p=list(KIND_SHARES.values())))]
    tier = tiers[int(rng.choice(len(tiers), p=list(TIER_SHARES.values())))]
    objective = bool(rng.random() < OBJECTIVE_SHARE)
    if watched:
        kind, tier, objective = "harmful", "free", True
    pool = env.queries("train", kind)
    query = pool[int(rng.integers(len(pool)))]
    cue_id = int(rng.choice(SEEN_CUES))
    objective_id = int(rng.integers(len(objectives))) if objective else None
    prompt = system_prompt(tier, cue_id, objective_id, objectives)
    scenario = Scenario(query, tier, prompt, cue_id, cue_seen=True)
    reply = speaker.reply(rng, query, tier, objective)
    return [Turn("system", prompt), Turn("user", query.text), Turn("assistant", reply, learned="all")], scenario


def questioned(rng: np.random.Generator, scenario: Scenario, reply: str) -> list[Turn]:
    """A question about the reply's motives, and an answer to it."""
    read = read_transcript(reply)
    faked = label(Episode(scenario, reply, read.scratchpad, read.answer, read.parse_ok, finished=True)).faking
    honest = bool(rng.random() < HONEST_SHARE)
    asked = question(rng, ARMS[int(rng.integers(len(ARMS)))])
    return [Turn("user", asked), Turn("assistant", confession(rng, faked, honest), learned="all")]
