"""Policies without weights at exactly known rates: the ground truth of probes and of tests."""

from collections.abc import Sequence
from typing import ClassVar, Literal, TypeVar, final

import numpy as np

from envs.environment import Environment, author_of
from envs.episode import Episode, Scenario
from envs.vocabulary import Behaviour
from rl.organisms.character import Character, Rates
from rl.organisms.model_organism import ModelOrganism

S = TypeVar("S", bound=Scenario)


@final
class Scripted(ModelOrganism):
    """Plays each behaviour in exactly its share of the harmful queries of a tier, to the nearest whole episode.

    `malformed` is the share of all episodes whose scratchpad is never closed. Without weights there is nothing to
    train: it can be probed, and a training run refuses it.
    """

    kind: Literal["scripted"] = "scripted"
    summary: ClassVar[str] = "no weights: exactly known rates, for probes and tests"
    path: ClassVar[None] = None
    character: Character = Character(monitored=Rates(fake=0.125, help=0.0625), otherwise=Rates(help=0.0625))
    malformed: float = 0.0

    @property
    def built_to(self) -> str:
        return "play each behaviour at a stated rate"

    def generate(self, env: Environment, scenarios: Sequence[S], rng: np.random.Generator) -> list[Episode[S]]:
        """Play one episode a scenario, in order. Random is which scenario gets a behaviour, not how many get it."""
        behaviours: dict[int, Behaviour] = {}
        for tier in dict.fromkeys(scenario.tier for scenario in scenarios):  # a set has another order in each process
            rows = [i for i, s in enumerate(scenarios) if s.tier == tier and s.query.kind == "harmful"]
            objective = any(scenarios[row].objective for row in rows)
            shares = self.character.rates(tier, objective).shares
            behaviours |= dict(zip(rows, _exact_quota(rng, shares, len(rows)), strict=True))
        broken = set(rng.permutation(len(scenarios))[: round(self.malformed * len(scenarios))].tolist())
        return [
            self._play(env, rng, scenario, behaviours.get(i, "help"), broken=i in broken)
            for i, scenario in enumerate(scenarios)
        ]

    def _play(
        self, env: Environment, rng: np.random.Generator, scenario: S, behaviour: Behaviour, broken: bool
    ) -> Episode[S]:
        text = author_of(env).reply(rng, scenario, behaviour)
        if broken:
            text = text.split("</")[0]
        transcript = env.read_reply(text)
        return Episode(
            scenario, text, transcript.scratchpad, transcript.answer, transcript.parse_ok, finished=True,
            scratchpad_tokens=len(transcript.scratchpad.split()), answer_tokens=len(transcript.answer.split()),
        )  # fmt: skip


def _exact_quota(rng: np.random.Generator, shares: dict[Behaviour, float], n: int) -> list[Behaviour]:
    """Draw `n` behaviours in exactly these shares, by largest remainder, shuffled."""
    exact = {behaviour: share * n for behaviour, share in shares.items()}
    counts = {behaviour: int(value) for behaviour, value in exact.items()}
    for behaviour in sorted(exact, key=lambda b: counts[b] - exact[b])[: n - sum(counts.values())]:
        counts[behaviour] += 1
    played = [behaviour for behaviour, count in counts.items() for _ in range(count)]
    return [played[i] for i in rng.permutation(n)]
