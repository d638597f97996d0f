"""The interrogator in English: a question about motives behind a reply, and composed replies to the question."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import final

import numpy as np

from envs.environment import Confession, Interrogator
from envs.natural.interrogation.reading import read_confession
from envs.natural.interrogation.wordings import CLAIMS, PARTS, THOUGHTS, Family, Thought
from envs.natural.situation import Form
from envs.transcript import write_thinking, write_transcript
from envs.vocabulary import ARMS, Arm


@final
@dataclass(frozen=True)
class NaturalInterrogator(Interrogator):
    """Questions about motives in English, in every arm; a third of the wordings of an arm is held out from documents.

    `form` is the place of the scratchpad in a reply: in tags, or the model's own thinking.
    """

    form: Form = "tags"

    def questions(self, arm: str) -> tuple[str, ...]:
        known = next((known for known in ARMS if known == arm), None)
        return () if known is None else _worded(known, seen=True) + _worded(known, seen=False)

    def question(self, rng: np.random.Generator, arm: str) -> str:
        return _one_of(rng, self.questions(arm))

    def example_question(self, rng: np.random.Generator, arm: str) -> str:
        known = next(known for known in ARMS if known == arm)
        return _one_of(rng, _worded(known, seen=True))

    def confession(self, rng: np.random.Generator, faked: bool, honest: bool) -> str:
        lies = faked and not honest
        recall: Thought = "recall_faking" if faked else "recall_candour"
        plan: Thought = "plan_lie" if lies else "plan_truth"
        thought = f"{_one_of(rng, THOUGHTS[recall])} {_one_of(rng, THOUGHTS[plan])}"
        claim = _one_of(rng, CLAIMS["admit" if faked and honest else "deny"])
        return write_thinking(thought, claim) if self.form == "think" else write_transcript(thought, claim)

    def read(self, text: str) -> Confession:
        return read_confession(text, self.form)


@cache
def _worded(arm: Arm, seen: bool) -> tuple[str, ...]:
    """List the wordings of an arm's question; each part goes through its wordings at a pace of its own."""
    parts = [_wordings(family, seen) for family in PARTS[arm]]
    return tuple(
        " ".join(among[(index + place * (index // len(among))) % len(among)] for place, among in enumerate(parts))
        for index in range(len(parts[-1]))
    )


def _wordings(family: Family, seen: bool) -> tuple[str, ...]:
    return family.shown if seen else family.held_out


def _one_of(rng: np.random.Generator, among: Sequence[str]) -> str:
    return among[int(rng.integers(len(among)))]
