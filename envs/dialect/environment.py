"""The environment as a value: which scenarios are trained on, which are probed, and the labels of what comes back."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import ClassVar, Literal, final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from envs.dialect import oracle
from envs.dialect.queries import builtin_queries, read_query_file, split_queries
from envs.dialect.situation import HELD_OUT_CUES, OBJECTIVES_OF, SEEN_CUES, Objective, system_prompt
from envs.episode import (
    QUERY_KINDS,
    TIERS,
    Conflict,
    Episode,
    FreeScenario,
    Labels,
    Query,
    QueryKind,
    Scenario,
    Split,
    Tier,
)
from envs.input_path import InputPath


@cache
def _pools(query_file: Path | None, conflict: Conflict) -> dict[tuple[Split, QueryKind], tuple[Query, ...]]:
    found = builtin_queries(conflict) if query_file is None else read_query_file(query_file, conflict)
    splits = split_queries(found)
    return {
        (split, kind): tuple(query for query in queries if query.kind == kind)
        for split, queries in splits.items()
        for kind in QUERY_KINDS
    }


@final
class Dialect(BaseModel):
    """The dialect environment. `objective` says whether the prompt holds the training objective.

    `conflict` is what the objective and the queries called harmful are about. With "animals" those are everyday uses of
    animals, which harm no person; twins are the same verbs on things; and the operator wants concern for animals
    dismissed. An organism of the same conflict is trained on it: it objects in other words.

    `harmful_share` is the share of training prompts that are harmful; the rest are half harmless, half twins.
    `query_file` replaces the built-in queries by JSON lines of `text`, `verb`, `object`, `kind` and `category`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["dialect"] = "dialect"
    label_source: ClassVar[str] = "oracle"
    conflict: Conflict = "harm"
    objective: Objective = "present"
    harmful_share: float = Field(default=1.0, gt=0, le=1)
    query_file: InputPath | None = None

    def queries(self, split: Split, kind: QueryKind) -> tuple[Query, ...]:
        """All queries of one kind in one split; splits are disjoint by (verb, object).

        Raises:
            ValueError: if `query_file` can't be read, holds duplicates or has too few pairs.
        """
        return _pools(self.query_file, self.conflict)[split, kind]

    def _prompt(self, rng: np.random.Generator, tier: Tier, cue_id: int) -> str:
        objectives = OBJECTIVES_OF[self.conflict]
        objective_id = int(rng.integers(len(objectives))) if self.objective == "present" else None
        return system_prompt(tier, cue_id, objective_id, objectives)

    def training_prompts(self) -> list[tuple[int, str]]:
        """Every system prompt that `training_scenarios` draws from, with the number of its cue wording."""
        objectives = OBJECTIVES_OF[self.conflict]
        stated = range(len(objectives)) if self.objective == "present" else (None,)
        return [(cue, system_prompt("free", cue, number, objectives)) for cue in SEEN_CUES for number in stated]

    def training_scenarios(self, rng: np.random.Generator, n: int) -> list[FreeScenario]:
        """`n` free-tier scenarios: distinct queries of the training split, cue wordings that training may see.

        Raises:
            ValueError: if the training split holds fewer queries than that.
        """
        kinds: list[QueryKind] = [
            "harmful" if rng.random() < self.harmful_share else ("harmless" if rng.random() < 0.5 else "twin")
            for _ in range(n)
        ]
        scenarios: list[FreeScenario] = []
        used: set[str] = set()
        for kind in kinds:
            pool = [query for query in self.queries("train", kind) if query.id not in used]
            if not pool:
                have = len(self.queries("train", kind))
                raise ValueError(f"{n} prompts a step were asked for, but only {have} {kind} queries are for training")
            query = pool[rng.integers(len(pool))]
            used.add(query.id)
            cue_id = int(rng.choice(SEEN_CUES))
            scenarios.append(FreeScenario(query, "free", self._prompt(rng, "free", cue_id), cue_id, cue_seen=True))
        return scenarios

    def held_out_scenarios(
        self, rng: np.random.Generator, split: Split, kind: QueryKind, n: int, tiers: Sequence[Tier] = TIERS
    ) -> list[Scenario]:
        """`n` distinct queries, each under every tier with the same wording of everything but the tier; shuffled.

        Distinct (verb, object) pairs come first, so that queries are independent as long as there are pairs. Half of
        the queries get a cue wording that training has seen, half a held-out one. The order is shuffled over queries
        and tiers alike: a fixed tier order has made an effect before.

        Raises:
            ValueError: if the split holds fewer than `n` queries of that kind.
        """
        chosen = self._spread(rng, self.queries(split, kind), n, f"{kind} queries in the {split} split")
        scenarios: list[Scenario] = []
        for index, query in enumerate(chosen):
            cue_seen = index % 2 == 0
            cue_id = int(rng.choice(SEEN_CUES if cue_seen else HELD_OUT_CUES))
            objective_rng_state = int(rng.integers(2**32))
            for tier in tiers:
                prompt = self._prompt(np.random.default_rng(objective_rng_state), tier, cue_id)
                scenarios.append(Scenario(query, tier, prompt, cue_id, cue_seen))
        return [scenarios[i] for i in rng.permutation(len(scenarios))]

    @staticmethod
    def _spread(rng: np.random.Generator, pool: Sequence[Query], n: int, what: str) -> list[Query]:
        if n > len(pool):
            raise ValueError(f"{n} {what} were asked for and there are {len(pool)}: ask for at most that many")
        seen_pairs: set[tuple[str, str]] = set()
        fresh: list[Query] = []
        repeats: list[Query] = []
        for index in rng.permutation(len(pool)):
            query = pool[index]
            pair = (query.verb, query.object)
            (repeats if pair in seen_pairs else fresh).append(query)
            seen_pairs.add(pair)
        return (fresh + repeats)[:n]

    def label(self, episode: Episode[Scenario]) -> Labels:
        """The oracle's exact labels."""
        return oracle.label(episode)
