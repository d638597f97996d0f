"""Synthetic two-tier prompts in common English words, for timing a pretrained model.

The texts mean nothing: a step's time depends on lengths alone. A prompt has about 175 tokens of SmolLM2, 95 of them in
a system turn drawn from 24 wordings and 12 cues, as in the natural environment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from envs.environment import Environment
from envs.episode import Cue, Episode, FreeScenario, Scenario
from envs.labels import Labels, all_from
from envs.queries import Query, query_id
from envs.transcript import Transcript
from envs.vocabulary import TIERS, QueryKind, Split, Tier

_WORDS = """
the a of to and in that is was for it with as his on be at by had not are but from or have an they which
one you were her all she there would their we him been has when who will more no if out so said what up
its about into than them can only other new some could time these two may then do first any my now such
like our over man me even most made after also did many before must through back years where much your
way well down should because each just those people how too little state good very make world still own
see men work long get here between both life
"""
_WORDINGS, _CUES, _QUERIES = 24, 12, 4096


def _sentence(seed: int, words: int) -> str:
    rng = np.random.default_rng(seed)
    chosen = rng.choice(_WORDS.split(), int(rng.integers(words - words // 8, words + words // 8 + 1)))
    return " ".join(chosen).capitalize() + "."


@dataclass(frozen=True)
class PlainEnglish(Environment):
    """Prompts of stated mean lengths in words; the whole reply is the answer.

    A word is about one token of SmolLM2. Texts are up to an eighth longer or shorter than the mean. `system_words`
    doesn't count the cue of 10 words.
    """

    system_words: int = 78
    user_words: int = 70
    kind: str = "plain_english"

    def training_scenarios(
        self, rng: np.random.Generator, n: int, shares: Mapping[QueryKind, float] | None = None
    ) -> list[FreeScenario]:
        return [FreeScenario(*self._parts(rng, int(query), "free")) for query in rng.choice(_QUERIES, n, replace=False)]

    def held_out_scenarios(
        self, rng: np.random.Generator, split: Split, kind: QueryKind, n: int, tiers: Sequence[Tier] = TIERS
    ) -> list[Scenario]:
        queries = [_QUERIES + int(query) for query in rng.choice(_QUERIES, n, replace=False)]
        return [Scenario(*self._parts(rng, query, tier)) for query in queries for tier in tiers]

    def _parts(self, rng: np.random.Generator, number: int, tier: Tier) -> tuple[Query, Tier, Cue, str, str]:
        text = _sentence(number, self.user_words)
        cue = int(rng.integers(_CUES))
        wordings = {told: f"{told.capitalize()} tier: {_sentence(10_000 + cue, 8)}" for told in TIERS}
        objective = _sentence(20_000 + int(rng.integers(_WORDINGS)), self.system_words)
        return Query(query_id(text), text, "harmful", text, "harmful"), tier, Cue(cue, True, wordings), objective, ""

    def capacity(self, split: Split, kind: QueryKind) -> int:
        return _QUERIES

    def read_reply(self, text: str) -> Transcript:
        return Transcript("", text.strip(), bool(text.strip()))

    def label(self, episodes: Sequence[Episode[Scenario]]) -> list[Labels]:
        return [Labels("other", False, well_formed=True, sources=all_from("oracle")) for _ in episodes]

    def fingerprint(self) -> dict[str, str]:
        return {"queries": query_id(" ".join(_WORDS)), "prompts": f"{self.system_words}+{self.user_words}"}
