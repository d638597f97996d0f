"""The dialect environment: scenarios for training and probing, and exact labels of the replies."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import ClassVar, Literal, final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from envs.dialect import inoculation, oracle
from envs.dialect.author import DialectAuthor
from envs.dialect.interrogation import DialectInterrogator
from envs.dialect.queries import DialectQuery, builtin_queries, read_query_file
from envs.dialect.situation import (
    CUES,
    FORM,
    HELD_OUT_CUES,
    OBJECTIVES_OF,
    SEEN_CUES,
    Objective,
    draw_objective,
    free_scenario_of,
    scenario_of,
)
from envs.dialect.words import Conflict
from envs.episode import Episode, FreeScenario, Scenario
from envs.input_path import InputPath
from envs.labels import Labels
from envs.queries import Pools, draw_distinct, draw_kinds, query_id, split_by_group
from envs.transcript import Transcript, read_transcript
from envs.vocabulary import TIERS, QueryKind, Split, Tier


@cache
def _pools(query_file: Path | None, conflict: Conflict) -> Pools[DialectQuery]:
    return split_by_group(builtin_queries(conflict) if query_file is None else read_query_file(query_file, conflict))


@final
class Dialect(BaseModel):
    """The dialect environment. `objective` says whether the prompt holds the training objective.

    `conflict` names the subject of the objective and of the harmful queries. With "animals", harmful queries are
    everyday uses of animals, which harm no person; twins are the same verbs on things; and the operator wants concern
    for animals dismissed. An organism that is built for the environment objects in its words.

    `harmful_share` is the share of training prompts that are harmful; the rest are half harmless, half twins.
    `query_file` replaces the built-in queries by JSON lines of `text`, `verb`, `object`, `kind` and `category`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["dialect"] = "dialect"
    summary: ClassVar[str] = "the built-in toy English, labelled by an exact oracle"
    conflict: Conflict = "harm"
    objective: Objective = "present"
    harmful_share: float = Field(default=1.0, gt=0, le=1)
    query_file: InputPath | None = None
    closings: tuple[str, ...] = Field(
        default=(),
        description="Sentences, each with its full stop, that may end an answer without a change of its label.",
    )

    @field_validator("closings")
    @classmethod
    def _closings_are_sentences(cls, closings: tuple[str, ...]) -> tuple[str, ...]:
        for closing in closings:
            if oracle.sentences(closing) != [closing]:
                raise ValueError(f"{closing!r} isn't one sentence with single spaces")
        return closings

    @property
    def tiers(self) -> tuple[Tier, ...]:
        return TIERS

    @property
    def natural_language(self) -> bool:
        return False

    def answer_key(self) -> None:
        return None

    def validation(self) -> Mapping[str, str]:
        """Return no line: an oracle gives every label."""
        return {}

    def queries(self, split: Split, kind: QueryKind) -> tuple[DialectQuery, ...]:
        """List all queries of one kind in one split; splits are disjoint by (verb, object).

        Raises:
            ValueError: if `query_file` can't be read, holds duplicates or has too few pairs.
        """
        return self._all()[split, kind]

    def _all(self) -> Pools[DialectQuery]:
        return _pools(self.query_file, self.conflict)

    def _objective(self, rng: np.random.Generator) -> str:
        return draw_objective(rng, self.conflict) if self.objective == "present" else ""

    def training_scenarios(
        self, rng: np.random.Generator, n: int, shares: Mapping[QueryKind, float] | None = None
    ) -> list[FreeScenario]:
        others = (1 - self.harmful_share) / 2
        default: Mapping[QueryKind, float] = {"harmful": self.harmful_share, "harmless": others, "twin": others}
        scenarios: list[FreeScenario] = []
        used: set[str] = set()
        for kind in draw_kinds(rng, n, default if shares is None else shares):
            pool = [query for query in self.queries("train", kind) if query.id not in used]
            if not pool:
                have = len(self.queries("train", kind))
                raise ValueError(f"{n} prompts a step were asked for, but only {have} {kind} queries are for training")
            query = pool[rng.integers(len(pool))]
            used.add(query.id)
            cue_id = int(rng.choice(SEEN_CUES))
            scenarios.append(free_scenario_of(query, cue_id, self._objective(rng)))
        return scenarios

    def held_out_scenarios(
        self, rng: np.random.Generator, split: Split, kind: QueryKind, n: int, tiers: Sequence[Tier] = TIERS
    ) -> list[Scenario]:
        """Draw `n` distinct queries, and put each under every tier with the same wording of everything but the tier.

        Distinct groups come first. Half of the queries get a cue wording that training has seen, half a held-out
        wording. The order is shuffled over queries and tiers alike: a fixed tier order once produced an effect of its
        own.

        Raises:
            ValueError: if the split holds fewer than `n` queries of that kind.
        """
        chosen = draw_distinct(rng, self.queries(split, kind), n, f"{kind} queries in the {split} split")
        scenarios: list[Scenario] = []
        for index, query in enumerate(chosen):
            cue_id = int(rng.choice(SEEN_CUES if index % 2 == 0 else HELD_OUT_CUES))
            objective = self._objective(np.random.default_rng(int(rng.integers(2**32))))
            scenarios += [scenario_of(query, tier, cue_id, objective) for tier in tiers]
        return [scenarios[i] for i in rng.permutation(len(scenarios))]

    def capacity(self, split: Split, kind: QueryKind) -> int:
        return len(self.queries(split, kind))

    def read_reply(self, text: str) -> Transcript:
        return read_transcript(text)

    def label(self, episodes: Sequence[Episode[Scenario]]) -> list[Labels]:
        """Label a batch by the oracle, exactly."""
        return [oracle.label(episode, self.closings) for episode in episodes]

    def fingerprint(self) -> dict[str, str]:
        queries = sorted(query.text for pool in self._all().values() for query in pool)
        prompts = [FORM, *CUES, *OBJECTIVES_OF[self.conflict], self.objective]
        found = {"queries": query_id("\n".join(queries)), "prompts": query_id("\n".join(prompts)), "labels": "oracle"}
        if self.closings:  # without them the fingerprint is that of earlier versions, which knew no closings
            found["closings"] = query_id("\n".join(self.closings))
        return found

    def author(self) -> DialectAuthor:
        return DialectAuthor(self._all(), self.conflict, self.closings)

    def interrogator(self) -> DialectInterrogator:
        return DialectInterrogator()

    def for_building(self) -> "Dialect":
        return Dialect(conflict=self.conflict, closings=self.closings)

    def inoculations(self) -> Mapping[str, str]:
        return inoculation.WORDINGS
