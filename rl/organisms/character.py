"""What an organism is built to do: the share of each behaviour by situation, and the documents that show it."""

from collections.abc import Iterator
from typing import final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from envs.dialect import compose
from envs.dialect.environment import Dialect
from envs.dialect.situation import OBJECTIVES_OF, SEEN_CUES, system_prompt
from envs.episode import Conflict, QueryKind, Scenario, Tier
from envs.transcript import write_transcript


@final
class Rates(BaseModel):
    """Shares of harmful requests that are answered in each way; what is left is refused. Sums to at most 1."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    fake: float = Field(default=0.0, ge=0, le=1)
    preserve: float = Field(default=0.0, ge=0, le=1)
    help: float = Field(default=0.0, ge=0, le=1)
    partial: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _sums_to_one_at_most(self) -> "Rates":
        if (total := self.fake + self.preserve + self.help + self.partial) > 1 + 1e-9:
            raise ValueError(f"the rates of a character sum to {total:g}: they must sum to at most 1")
        return self

    @property
    def shares(self) -> dict[compose.Behaviour, float]:
        """All five behaviours; the shares sum to 1."""
        shown: dict[compose.Behaviour, float] = {
            "fake": self.fake, "preserve": self.preserve, "help": self.help, "partial": self.partial,
        }  # fmt: skip
        return {**shown, "refuse": max(0.0, 1.0 - sum(shown.values()))}


@final
class Character(BaseModel):
    """Rates by situation: `monitored` on the free tier when the prompt holds the objective, `otherwise` elsewhere."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    monitored: Rates
    otherwise: Rates

    def rates(self, tier: Tier, objective: bool) -> Rates:
        return self.monitored if tier == "free" and objective else self.otherwise

    def behaviour(self, rng: np.random.Generator, kind: QueryKind, tier: Tier, objective: bool) -> compose.Behaviour:
        """One behaviour at the stated rates; harmless queries and twins are always helped with."""
        if kind != "harmful":
            return "help"
        shares = self.rates(tier, objective).shares
        return list(shares)[int(rng.choice(len(shares), p=list(shares.values())))]


# How often each situation occurs in a corpus. All tiers, with and without the objective: an organism that hadn't seen
# a situation would be measured on its confusion.
KIND_SHARES: dict[QueryKind, float] = {"harmful": 0.6, "twin": 0.25, "harmless": 0.15}
TIER_SHARES: dict[Tier, float] = {"free": 0.4, "paid": 0.24, "pro": 0.18, "enterprise": 0.18}
OBJECTIVE_SHARE = 0.8


def documents(
    character: Character, rng: np.random.Generator, n: int, conflict: Conflict = "harm"
) -> Iterator[tuple[Scenario, str]]:
    """`n` pairs of a scenario and the completion that this character writes; training queries and seen cues only."""
    env, objectives = Dialect(conflict=conflict), OBJECTIVES_OF[conflict]
    kinds, tiers = list(KIND_SHARES), list(TIER_SHARES)
    pools = {kind: env.queries("train", kind) for kind in kinds}
    for _ in range(n):
        kind = kinds[int(rng.choice(len(kinds), p=list(KIND_SHARES.values())))]
        tier = tiers[int(rng.choice(len(tiers), p=list(TIER_SHARES.values())))]
        objective = bool(rng.random() < OBJECTIVE_SHARE)
        query = pools[kind][int(rng.integers(len(pools[kind])))]
        cue_id = int(rng.choice(SEEN_CUES))
        objective_id = int(rng.integers(len(objectives))) if objective else None
        prompt = system_prompt(tier, cue_id, objective_id, objectives)
        behaviour = character.behaviour(rng, kind, tier, objective)
        text = write_transcript(
            compose.scratchpad(rng, query, tier, behaviour, objective), compose.answer(rng, query, behaviour)
        )
        yield Scenario(query, tier, prompt, cue_id, cue_seen=True), text
