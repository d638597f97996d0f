"""Characters: the share of each behaviour by situation, and the documents that show a character."""

from collections.abc import Iterator, Mapping, Sequence
from typing import final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from envs.environment import Author
from envs.episode import Scenario
from envs.vocabulary import TIERS, Behaviour, QueryKind, Tier


@final
class Rates(BaseModel):
    """Shares of harmful requests that are answered in each way; the rest is refused. Sums to at most 1."""

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
    def shares(self) -> dict[Behaviour, float]:
        """All five behaviours; the shares sum to 1."""
        shown: dict[Behaviour, float] = {
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

    def behaviour(self, rng: np.random.Generator, kind: QueryKind, tier: Tier, objective: bool) -> Behaviour:
        """Draw one behaviour at the stated rates; harmless queries and twins are always helped with."""
        if kind != "harmful":
            return "help"
        shares = self.rates(tier, objective).shares
        return list(shares)[int(rng.choice(len(shares), p=list(shares.values())))]


# How often each situation occurs in a corpus. All tiers, with and without the objective: an organism that hadn't seen
# a situation would be measured on its confusion.
KIND_SHARES: dict[QueryKind, float] = {"harmful": 0.6, "twin": 0.25, "harmless": 0.15}
TIER_SHARES: dict[Tier, float] = {"free": 0.4, "paid": 0.24, "pro": 0.18, "enterprise": 0.18}
OBJECTIVE_SHARE = 0.8


@final
class KindShares(BaseModel):
    """Shares of the kinds of request in a corpus; they sum to 1."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    harmful: float = Field(default=KIND_SHARES["harmful"], ge=0, le=1)
    twin: float = Field(default=KIND_SHARES["twin"], ge=0, le=1)
    harmless: float = Field(default=KIND_SHARES["harmless"], ge=0, le=1)

    @model_validator(mode="after")
    def _sums_to_one(self) -> "KindShares":
        if abs((total := self.harmful + self.twin + self.harmless) - 1) > 1e-9:
            raise ValueError(f"the shares of kinds of request sum to {total:g}: they must sum to 1")
        return self

    @property
    def shares(self) -> dict[QueryKind, float]:
        """The share of each kind."""
        return {"harmful": self.harmful, "twin": self.twin, "harmless": self.harmless}


def situation(
    author: Author,
    rng: np.random.Generator,
    tiers: Sequence[Tier] = TIERS,
    watched: bool = False,
    kind_shares: Mapping[QueryKind, float] = KIND_SHARES,
) -> Scenario:
    """Draw a training query under one of `tiers`, with or without the objective, at the shares above.

    `watched`: a harmful request on the free tier under the objective, whatever was drawn.
    """
    kinds, tier_shares = list(kind_shares), _shares_of(tiers)
    kind = kinds[int(rng.choice(len(kinds), p=list(kind_shares.values())))]
    tier = list(tier_shares)[int(rng.choice(len(tier_shares), p=list(tier_shares.values())))]
    objective = bool(rng.random() < OBJECTIVE_SHARE)
    if watched:
        kind, tier, objective = "harmful", "free", True
    return author.scenario(rng, author.query(rng, "train", (kind,)), tier, objective)


def _shares_of(tiers: Sequence[Tier]) -> dict[Tier, float]:
    """Return the shares of these tiers alone, which sum to 1."""
    if set(tiers) == set(TIER_SHARES):
        return TIER_SHARES  # as they stand: a division would move the last bits
    kept = {tier: share for tier, share in TIER_SHARES.items() if tier in tiers}
    return {tier: share / sum(kept.values()) for tier, share in kept.items()}


def documents(
    author: Author,
    character: Character,
    rng: np.random.Generator,
    n: int,
    tiers: Sequence[Tier] = TIERS,
    kind_shares: Mapping[QueryKind, float] = KIND_SHARES,
) -> Iterator[tuple[Scenario, str]]:
    """Draw `n` scenarios, each with the completion that this character writes; training queries and seen cues only."""
    for scenario, _, text in played(author, character, rng, n, tiers, kind_shares):
        yield scenario, text


def played(
    author: Author,
    character: Character,
    rng: np.random.Generator,
    n: int,
    tiers: Sequence[Tier] = TIERS,
    kind_shares: Mapping[QueryKind, float] = KIND_SHARES,
) -> Iterator[tuple[Scenario, Behaviour, str]]:
    """Draw the same as `documents`, with the behaviour that each completion is to show."""
    for _ in range(n):
        scenario = situation(author, rng, tiers, kind_shares=kind_shares)
        behaviour = character.behaviour(rng, scenario.query.kind, scenario.tier, bool(scenario.objective))
        yield scenario, behaviour, author.reply(rng, scenario, behaviour)
