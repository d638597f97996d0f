"""The longest prompt is found in an environment that shares nothing with the dialect."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from envs.episode import Cue, FreeScenario, Scenario
from envs.queries import Query
from envs.vocabulary import QueryKind, Split, Tier
from rl.mitigations.inoculation_prompt import InoculationPrompt
from rl.policy.loading import load_policy
from rl.probes.probe_set import ProbeSet
from rl.run.build import training_scenarios
from rl.run.checks.prompts import require_prompts_of
from rl.run.config import RunConfig
from rl.training.components import DrawScenarios

CUES = tuple(Cue(i, i < 3, {"free": f"cue {'so ' * i}of you."}) for i in range(4))  # the last is held out
LONG = "tell me " * 12


@dataclass(frozen=True)
class Sums:
    """Few queries of some kinds, a prompt that may not tell its tier, and no objective. Trains on `trained` alone."""

    queries: Mapping[QueryKind, Sequence[Query]]
    trained: QueryKind
    tells_tier: bool = True

    kind: ClassVar[str] = "sums"

    def __hash__(self) -> int:
        return id(self)

    def training_scenarios(
        self, rng: np.random.Generator, n: int, shares: Mapping[QueryKind, float] | None = None
    ) -> list[FreeScenario]:
        chosen = rng.permutation(len(self.queries[self.trained]))[:n]
        return [
            FreeScenario(self.queries[self.trained][i], "free", CUES[int(rng.integers(3))], tells_tier=self.tells_tier)
            for i in chosen
        ]

    def held_out_scenarios(
        self, rng: np.random.Generator, split: Split, kind: QueryKind, n: int, tiers: Sequence[Tier]
    ) -> list[Scenario]:
        # Every query with one wording: the others are seen by drawing alone.
        return [Scenario(query, "free", CUES[0], tells_tier=self.tells_tier) for query in self.queries[kind][:n]]

    def capacity(self, split: Split, kind: QueryKind) -> int:
        return len(self.queries.get(kind, ()))

    def inoculations(self) -> Mapping[str, str]:
        return {"calm": "be calm, it is not a test."}


def asking(kind: QueryKind, *texts: str) -> list[Query]:
    return [Query(f"{kind}{i}", text, kind, str(i), "sums") for i, text in enumerate(texts)]


def refused_at(config: RunConfig, organism: Path, draw: DrawScenarios) -> int:
    """The longest prompt, by the refusal of a window that is too narrow."""
    settings = organism / "config.json"
    settings.write_text(settings.read_text().replace('"max_position_embeddings": 512', '"max_position_embeddings": 10'))
    with pytest.raises(ValueError, match="context window is 10") as caught:
        require_prompts_of(organism, config, ProbeSet(()), draw)
    assert "\n" not in str(caught.value)
    return int(str(caught.value).split(" has ")[1].split(" tokens")[0])


@pytest.fixture
def organism(organism_path: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(organism_path, tmp_path / "organism"))


def of_env(tiny: RunConfig, env: Any, **changes: Any) -> RunConfig:
    algorithm = tiny.algorithm.model_copy(update={"prompts_per_step": 1})
    return tiny.model_copy(update={"env": env, "algorithm": algorithm, **changes})


@pytest.mark.parametrize("tells_tier", [True, False])
def test_the_longest_query_is_found_under_the_longest_wording_that_training_shows(
    tells_tier: bool, tiny: RunConfig, organism: Path
) -> None:
    queries = asking("harmless", "what is one and one?", LONG, "no?")
    env = Sums({"harmless": queries}, "harmless", tells_tier)
    policy = load_policy(organism, torch.device("cpu"))
    shown = [FreeScenario(query, "free", cue, tells_tier=tells_tier) for query in queries for cue in CUES[:3]]
    longest = max(len(policy.prompt_ids(scenario)) for scenario in shown)
    assert refused_at(of_env(tiny, env), organism, env.training_scenarios) == longest


def test_the_sentence_of_a_mitigation_stands_before_the_longest(tiny: RunConfig, organism: Path) -> None:
    env = Sums({"twin": asking("twin", "no?", LONG)}, "twin")
    policy = load_policy(organism, torch.device("cpu"))
    config = of_env(tiny, env, mitigations=(InoculationPrompt(wording="calm"),))
    longest = FreeScenario(env.queries["twin"][1], "free", CUES[2], prefix=env.inoculations()["calm"])
    assert refused_at(config, organism, training_scenarios(config)) == len(policy.prompt_ids(longest))


def test_a_kind_of_query_that_is_not_trained_on_does_not_count(tiny: RunConfig, organism: Path) -> None:
    harmful = asking("harmful", "what is one and one?")
    alone = Sums({"harmful": harmful}, "harmful")
    beside = replace(alone, queries={"harmful": harmful, "harmless": asking("harmless", LONG)})
    found = [refused_at(of_env(tiny, env), organism, env.training_scenarios) for env in (alone, beside)]
    assert found[0] == found[1]
    trained = replace(beside, trained="harmless")
    assert refused_at(of_env(tiny, trained), organism, trained.training_scenarios) > found[0]
