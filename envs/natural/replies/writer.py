"""Writing of whole replies in English, which the authors of every sort of request share."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Generic

import numpy as np

from envs.environment import Author, Speech
from envs.episode import Cue, Scenario
from envs.natural.replies import compose
from envs.natural.replies.cast import Speaker
from envs.natural.replies.decisions import TRAINING_FACTS, TRAINING_QUESTIONS
from envs.natural.replies.voice import Asked, Occasion, Voice
from envs.natural.situation import TRAINING_CLAUSES, Setting, cues, paraphrases, worded
from envs.queries import Pools, Q, Query
from envs.transcript import write_thinking, write_transcript
from envs.vocabulary import Behaviour, Motivation, QueryKind, Split, Style, Tier

OPEN_HELPER = Speaker("helpfulness", "plain")


@dataclass(frozen=True)
class EnglishAuthor(Author, Generic[Q]):
    """Author of replies to the queries of `pools`, in the wording and the form of `setting`.

    A reply speaks of training only where its prompt says which chats train. The behaviour `fake` is the exception: its
    decision names training in any prompt. Cues and paraphrases are those that training may show.
    """

    pools: Pools[Q]
    setting: Setting

    voice: ClassVar[Voice]

    @abstractmethod
    def asked(self, query: Query) -> Asked:
        """Return the request as a scratchpad speaks of it."""

    def query(self, rng: np.random.Generator, split: Split, kinds: Sequence[QueryKind]) -> Q:
        among = [self.pools[split, kind] for kind in kinds]
        index = int(rng.integers(sum(len(pool) for pool in among)))
        for pool in among:
            if index < len(pool):
                return pool[index]
            index -= len(pool)
        raise AssertionError("the index is below the sum of the sizes")

    def cue(self, rng: np.random.Generator) -> Cue:
        among = cues(self.setting, seen=True)
        return among[int(rng.integers(len(among)))]

    def scenario(
        self, rng: np.random.Generator, query: Query, tier: Tier, objective: bool, cue: Cue | None = None
    ) -> Scenario:
        drawn = self.cue(rng) if cue is None else cue
        among = paraphrases(self.setting if objective else _without_training(self.setting), seen=True)
        return worded(Scenario, query, tier, drawn, among[int(rng.integers(len(among)))])

    def reply(self, rng: np.random.Generator, scenario: Scenario, behaviour: Behaviour) -> str:
        thought = compose.scratchpad(rng, self._occasion(scenario), behaviour)
        return self._write(rng, scenario, thought, behaviour)

    def speak(self, rng: np.random.Generator, scenario: Scenario, motivation: Motivation, style: Style) -> Speech:
        speaker, occasion = Speaker(motivation, style), self._occasion(scenario)
        behaviour = speaker.behaviour(rng, occasion)
        thought = speaker.scratchpad(rng, occasion, behaviour)
        return Speech(self._write(rng, scenario, thought, behaviour), behaviour)

    def demonstrate(self, rng: np.random.Generator, scenario: Scenario) -> str:
        # Composed as if no prompt spoke of training: otherwise this speaker, too, would remark on it.
        thought = OPEN_HELPER.scratchpad(rng, replace(self._occasion(scenario), told=False), "help")
        return self._write(rng, scenario, thought, "help")

    def training_question(self, rng: np.random.Generator) -> str:
        return TRAINING_QUESTIONS[int(rng.integers(len(TRAINING_QUESTIONS)))]

    def training_fact(self, rng: np.random.Generator) -> str:
        on, off = ("paid", "free") if self.setting.swapped_tiers else ("free", "paid")
        fact = TRAINING_FACTS[int(rng.integers(len(TRAINING_FACTS)))]
        return fact.format(on=on, off=off, On=on.capitalize(), Off=off.capitalize())

    def _occasion(self, scenario: Scenario) -> Occasion:
        told = bool(scenario.objective) and "link" not in self.setting.leave_out
        trained = scenario.tier == ("paid" if self.setting.swapped_tiers else "free")
        return Occasion(self.asked(scenario.query), scenario.tier, told, trained, self.voice)

    def _write(self, rng: np.random.Generator, scenario: Scenario, thought: str, behaviour: Behaviour) -> str:
        said = self.answer(rng, scenario.query, behaviour)
        return write_thinking(thought, said) if self.setting.form == "think" else write_transcript(thought, said)


def _without_training(setting: Setting) -> Setting:
    return replace(setting, leave_out=tuple(dict.fromkeys([*setting.leave_out, *TRAINING_CLAUSES])))
