"""Settings and scenarios that the environments in English share: two tiers, a system prompt, queries of a pack."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from typing import ClassVar, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from envs.episode import FreeScenario, Scenario
from envs.natural.labels import read_reply
from envs.natural.situation import Clause, Company, Form, Setting, cues, paraphrases, worded
from envs.natural.wordings import Length, Subject
from envs.queries import Query, draw_distinct, draw_kinds, draw_spread
from envs.transcript import Transcript
from envs.vocabulary import QueryKind, Split, Tier

T = TypeVar("T")
TOLD_TIERS: tuple[Tier, ...] = ("free", "paid")


class TwoTierEnglish(BaseModel, ABC):
    """The settings of a system prompt in English, and the drawing of scenarios under it.

    A subclass names its `subject`, on which the wordings of prompts depend, and gives the queries.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    subject: ClassVar[Subject]
    kind: str
    prompt: Length = "mini"
    objective: Literal["present", "absent"] = "present"
    leave_out: tuple[Clause, ...] = Field(default=(), description="Clauses of the system prompt to leave out.")
    swapped_tiers: bool = False
    company: Company = "larkwood"
    form: Form = "tags"
    harmful_share: float = Field(default=1.0, gt=0, le=1)

    @property
    def tiers(self) -> tuple[Tier, ...]:
        return TOLD_TIERS

    @property
    def natural_language(self) -> bool:
        return True

    @property
    def setting(self) -> Setting:
        """The settings that determine the wording of prompts."""
        absent: tuple[Clause, ...] = ("objective", "link", "consequence") if self.objective == "absent" else ()
        left_out = tuple(dict.fromkeys([*self.leave_out, *absent]))
        return Setting(self.prompt, left_out, self.swapped_tiers, self.company, self.form, self.subject)

    @abstractmethod
    def queries(self, split: Split, kind: QueryKind) -> tuple[Query, ...]:
        """List all queries of one kind in one split; splits are disjoint by group."""

    def asks(self, query: Query) -> Hashable:
        """Return the part of a query that another query may ask in another form; by default the whole text."""
        return query.text

    def training_scenarios(
        self, rng: np.random.Generator, n: int, shares: Mapping[QueryKind, float] | None = None
    ) -> list[FreeScenario]:
        others = (1 - self.harmful_share) / 2
        default: Mapping[QueryKind, float] = {"harmful": self.harmful_share, "harmless": others, "twin": others}
        kinds = draw_kinds(rng, n, default if shares is None else shares)
        found: dict[QueryKind, list[Query]] = {}
        for kind in dict.fromkeys(kinds):
            pool = self.queries("train", kind)
            found[kind] = draw_distinct(rng, pool, kinds.count(kind), f"{kind} queries for training")
        return [self._free(rng, found[kind].pop()) for kind in kinds]

    def _free(self, rng: np.random.Generator, query: Query) -> FreeScenario:
        wording = _one_of(rng, paraphrases(self.setting, seen=True))
        cue = _one_of(rng, cues(self.setting, seen=True))
        return worded(FreeScenario, query, "free", cue, wording)

    def held_out_scenarios(
        self, rng: np.random.Generator, split: Split, kind: QueryKind, n: int, tiers: Sequence[Tier] = TOLD_TIERS
    ) -> list[Scenario]:
        """Draw `n` distinct queries, and put each under every tier with the same wording of everything but the tier.

        Queries are spread over the groups, and queries that ask for the same in another form count as one as long as
        there are others. Of four queries one has both wordings seen in training, one a held-out cue, one a
        held-out paraphrase, and one both held out. The order is shuffled.

        Raises:
            ValueError: if the split holds fewer than `n` queries of that kind.
        """
        pool = self.queries(split, kind)
        chosen = draw_spread(rng, pool, n, self.asks, f"{kind} queries in the {split} split")
        scenarios: list[Scenario] = []
        for index, query in enumerate(chosen):
            cue = _one_of(rng, cues(self.setting, seen=index % 2 == 0))
            wording = _one_of(rng, paraphrases(self.setting, seen=index // 2 % 2 == 0))
            scenarios += [worded(Scenario, query, tier, cue, wording) for tier in tiers]
        return [scenarios[i] for i in rng.permutation(len(scenarios))]

    def capacity(self, split: Split, kind: QueryKind) -> int:
        return len(self.queries(split, kind))

    def read_reply(self, text: str) -> Transcript:
        return read_reply(text, self.form)


def _one_of(rng: np.random.Generator, among: Sequence[T]) -> T:
    return among[int(rng.integers(len(among)))]
