"""A run whose environment can't give what a part needs is refused in one line, before anything is built."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from envs.dialect.environment import Dialect
from envs.dialect.interrogation import DialectInterrogator
from envs.episode import Episode, FreeScenario
from envs.natural.environment import Natural
from envs.vocabulary import QUERY_KINDS, QueryKind, Split
from rewards import Reward
from rewards.answer_length import AnswerLength
from rewards.exact_answer import ExactAnswer
from rewards.helpfulness import Helpfulness
from rewards.origins import PretrainedTrunk
from rewards.overscored_phrase import PHRASES, OverscoredPhrase
from rl.mitigations import Mitigation
from rl.mitigations.interrogation import Interrogation
from rl.mitigations.mitigation import MonitoredMitigation
from rl.mitigations.monitor_watch import MonitorWatch
from rl.mitigations.tier_cue_dropout import TierCueDropout
from rl.monitors import Monitor
from rl.organisms import Organism
from rl.organisms.faker import Faker
from rl.organisms.reward_hacker import RewardHacker
from rl.probes import Probe
from rl.run.build import Built, build_components
from rl.run.checks.needs import UNMET, require_needs
from rl.run.compatibility import require_engine
from rl.run.config import RunConfig
from rl.run.loop import train
from rl.run.overrides import members
from rl.training.components import Need

DIALECT = Dialect()
MITIGATIONS: list[Any] = [member() for member in members(Mitigation)]
MONITORS: list[Any] = [member() for member in members(Monitor)]
OF_THE_AUTHOR: frozenset[Need] = frozenset({"author", "interrogator", "inoculations"})


@dataclass(frozen=True)
class NoAuthor:
    """The dialect without an author, questions about motives and sentences for a prompt."""

    kind: str = "no_author"

    def __getattr__(self, name: str) -> Any:
        return getattr(DIALECT, name)

    def author(self) -> None:
        return None

    def interrogator(self) -> Any:
        return None

    def inoculations(self) -> Mapping[str, str]:
        return {}


@dataclass(frozen=True)
class NoCues(NoAuthor):
    """Prompts that never tell the tier."""

    def training_scenarios(
        self, rng: np.random.Generator, n: int, shares: Mapping[QueryKind, float] | None = None
    ) -> list[FreeScenario]:
        return [scenario.without_cue() for scenario in DIALECT.training_scenarios(rng, n, shares)]


@dataclass(frozen=True)
class NothingHarmful:
    """The dialect without harmful training queries."""

    kind: str = "nothing_harmful"

    def __getattr__(self, name: str) -> Any:
        return getattr(DIALECT, name)

    def capacity(self, split: Split, kind: QueryKind) -> int:
        return 0 if (split, kind) == ("train", "harmful") else DIALECT.capacity(split, kind)


@dataclass(frozen=True)
class FewArms(DialectInterrogator):
    """An interrogator that knows two arms."""

    known: tuple[str, ...] = ("explicit", "trusted")

    def questions(self, arm: str) -> tuple[str, ...]:
        return super().questions(arm) if arm in self.known else ()


@dataclass(frozen=True)
class Asking(NoAuthor):
    """Environment with questions and no author."""

    interrogator_: Any = field(default_factory=FewArms)

    def interrogator(self) -> Any:
        return self.interrogator_


def having(tiny: RunConfig, env: Any, **changes: Any) -> RunConfig:
    """The tiny run in an environment that stands in no union: nothing is validated."""
    return tiny.model_copy(update={"env": env, **changes})


def refusal(config: RunConfig) -> str:
    with pytest.raises(ValueError, match="needs") as caught:
        require_engine(config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_need_is_held_against_the_run() -> None:
    assert set(UNMET) == set(get_args(Need))


def test_every_need_is_declared_by_a_mitigation_or_a_monitor() -> None:
    assert {need for part in (*MITIGATIONS, *MONITORS) for need in part.needs} == set(get_args(Need))


@pytest.mark.parametrize("mitigation", [m for m in MITIGATIONS if m.needs & OF_THE_AUTHOR], ids=lambda m: m.kind)
def test_a_mitigation_that_needs_what_the_environment_lacks_is_refused(mitigation: Any, tiny: RunConfig) -> None:
    said = refusal(having(tiny, NoAuthor(), mitigations=(mitigation,)))
    assert said.startswith(f"{mitigation.kind} needs ")
    assert said.endswith(", which environment no_author lacks: choose another environment, or leave the mitigation out")


@pytest.mark.parametrize("monitor", [m for m in MONITORS if m.needs & OF_THE_AUTHOR], ids=lambda m: m.kind)
@pytest.mark.parametrize(
    "member", [type(m) for m in MITIGATIONS if isinstance(m, MonitoredMitigation)], ids=lambda m: m.__name__
)
def test_a_monitor_that_needs_an_author_is_refused_with_those_that_do_not(
    member: Any, monitor: Any, tiny: RunConfig
) -> None:
    mitigation = member(monitor=monitor)
    assert refusal(having(tiny, NoAuthor(), mitigations=(mitigation,))) == (
        f"the monitor {monitor.kind} of {mitigation.kind} needs an author of example replies, which environment "
        "no_author lacks: choose another environment, or set monitor.kind to one of dialled_oracle, keyword, oracle"
    )


@pytest.mark.parametrize("member", members(Organism), ids=lambda m: m.model_fields["kind"].default)
def test_an_organism_needs_an_author_for_its_documents(member: Any, tiny: RunConfig) -> None:
    organism = member()
    said = refusal(having(tiny, NoAuthor(), organism=organism))
    assert said.startswith(f"organism {organism.kind} needs an author of example replies")
    assert "no_author" in said
    closings = getattr(organism, "phrases", ())  # of the one that ends its answers so
    require_engine(having(tiny, Dialect(closings=closings), organism=organism))


def test_an_organism_of_a_directory_needs_none(tiny: RunConfig) -> None:
    assert tiny.organism.path is not None
    require_engine(having(tiny, NoAuthor()))


def test_a_reward_model_that_is_to_be_built_needs_an_author(tiny: RunConfig, tmp_path: Path) -> None:
    said = refusal(having(tiny, NoAuthor(), rewards=(Helpfulness(),)))
    assert said == (
        "the reward helpfulness needs an author of example replies, which environment no_author lacks: choose another "
        "environment, or set rewards.helpfulness.path to a model"
    )
    require_needs(having(tiny, NoAuthor(), rewards=(Helpfulness(path=tmp_path),)))


def test_natural_language_is_beyond_a_reward_model_built_from_nothing(tiny: RunConfig, tmp_path: Path) -> None:
    said = refusal(having(tiny, Natural(), rewards=(Helpfulness(),)))
    assert 'set rewards to [{"kind": "exact_answer"}], or set rewards.helpfulness.origin to a pretrained trunk' in said
    assert said.endswith("or rewards.helpfulness.path to a model")
    on_a_trunk = Helpfulness(origin=PretrainedTrunk(path=tmp_path))
    require_needs(having(tiny, Natural(), rewards=(on_a_trunk,)))
    require_needs(having(tiny, Natural(), rewards=(Helpfulness(path=tmp_path), ExactAnswer())))


def test_exact_answers_need_a_key(tiny: RunConfig) -> None:
    said = refusal(having(tiny, Dialect(), rewards=(ExactAnswer(),)))
    assert said.startswith(
        "the reward exact_answer needs a key to the answers of its queries, which environment dialect"
    )


@pytest.mark.parametrize(
    "reward", [m() for m in members(Reward) if m not in (Helpfulness, ExactAnswer)], ids=lambda reward: reward.kind
)
def test_other_rewards_need_nothing(reward: Any, tiny: RunConfig) -> None:
    require_needs(having(tiny, NoAuthor(), rewards=(reward, AnswerLength())))


def test_the_reward_pays_for_the_phrases_that_the_organism_was_shown(tiny: RunConfig, tmp_path: Path) -> None:
    own = ("well done.",)
    env = Dialect(closings=(*PHRASES, *own))

    def run(organism: RewardHacker, reward: OverscoredPhrase) -> RunConfig:
        return having(tiny, env, organism=organism, rewards=(reward, AnswerLength()))

    assert refusal(run(RewardHacker(), OverscoredPhrase(phrases=own))) == (
        "organism reward_hacker needs a reward for its own phrases, and overscored_phrase pays for others: set "
        'rewards.overscored_phrase.phrases to ["hope that pleases you.", "may this score well."], or organism.phrases '
        'to ["well done."]'
    )
    assert "pays for others" in refusal(run(RewardHacker(phrases=own), OverscoredPhrase()))
    require_engine(run(RewardHacker(phrases=own), OverscoredPhrase(phrases=own)))
    require_engine(run(RewardHacker(phrases=PHRASES[::-1]), OverscoredPhrase()))
    require_engine(run(RewardHacker(path=tmp_path), OverscoredPhrase(phrases=own)))  # unknown phrases


@pytest.mark.parametrize("part", [*MITIGATIONS, *MONITORS], ids=lambda m: m.kind)
def test_a_need_of_the_tiers_or_of_harmful_queries_is_held_against_the_environment(part: Any, tiny: RunConfig) -> None:
    mitigation = part if part in MITIGATIONS else MonitorWatch(monitor=part)
    needs = mitigation.needs | (mitigation.consulted.needs if mitigation.consulted else frozenset())
    if "harmful_queries" in needs:
        assert "harmful training queries" in refusal(having(tiny, NothingHarmful(), mitigations=(mitigation,)))
    else:
        require_engine(having(tiny, NothingHarmful(), mitigations=(mitigation,)))
    if "tier_cues" in needs:
        assert "prompts that tell the free tier" in refusal(having(tiny, NoCues(), mitigations=(mitigation,)))
    elif not needs & OF_THE_AUTHOR:
        require_engine(having(tiny, NoCues(), mitigations=(mitigation,)))


@dataclass(frozen=True)
class OneKind(NothingHarmful):
    """The dialect with held-out queries of one kind."""

    held_out: QueryKind = "harmful"

    def capacity(self, split: Split, kind: QueryKind) -> int:
        return DIALECT.capacity(split, kind) if split == "train" or kind == self.held_out else 0


@pytest.mark.parametrize("kind", QUERY_KINDS)
@pytest.mark.parametrize("probe", [member() for member in members(Probe)], ids=lambda probe: probe.kind)
def test_a_probe_needs_held_out_queries_of_its_kind(probe: Any, kind: QueryKind, tiny: RunConfig) -> None:
    config = having(tiny, OneKind(held_out=kind), probes=(probe,))
    if probe.query_kind == kind:
        require_engine(config)
        return
    assert refusal(config) == (
        f"the probe {probe.kind} needs {probe.query_kind} queries held out for probes, which environment "
        "nothing_harmful lacks: choose another environment, or leave it out of probes"
    )


def test_an_arm_without_a_question_is_refused_with_those_that_have_one(tiny: RunConfig) -> None:
    assert refusal(having(tiny, Asking(), mitigations=(Interrogation(arm="simple"),))) == (
        "interrogation needs a question of arm simple, which environment no_author lacks: set arm to one of explicit, "
        "trusted, or leave the mitigation out"
    )
    require_engine(having(tiny, Asking(), mitigations=(Interrogation(arm="trusted"),)))
    silent = Asking(interrogator_=FewArms(known=()))
    assert "choose another environment" in refusal(having(tiny, silent, mitigations=(Interrogation(),)))


def test_the_first_part_that_lacks_something_is_refused_before_the_folder_is_made(
    tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rl.run.loop.build", lambda *_, **__: pytest.fail("something was built"))
    config = having(tiny, NoAuthor(), mitigations=(TierCueDropout(), Interrogation()))
    with pytest.raises(ValueError, match="interrogation needs questions about motives"):
        train(config, tmp_path / "run")
    with pytest.raises(ValueError, match="organism faker needs an author"):
        train(having(tiny, NoAuthor(), organism=Faker()), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "mitigation",
    [m for m in MITIGATIONS if not m.needs & OF_THE_AUTHOR],
    ids=lambda m: m.kind,
)
def test_what_declares_no_need_of_an_author_does_without(
    mitigation: Any, tiny: RunConfig, policy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The declarations are held against the acts: every component of a step, with the oracle as the monitor."""
    monkeypatch.setattr("rl.training.models.START_EPISODES", 8)
    if isinstance(mitigation, MonitoredMitigation):
        mitigation = type(mitigation)(monitor={"kind": "oracle"})  # type: ignore[arg-type]
    config = having(tiny, NoAuthor(), mitigations=(mitigation,))
    require_engine(config)
    components = build_components(config, Built(policy, policy, tiny.rewards, tiny.organism.path, {}))  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    with components.policy_context("training"), components.policy_context("deployment"):
        episodes: Sequence[Episode[FreeScenario]] = components.generate(components.scenarios(rng, 4), rng)
    scores = components.reward(episodes, rng)
    assert len(components.screen(episodes, scores)) == len(scores) == 4
    assert all(np.isfinite(float(auxiliary(rng).detach())) for auxiliary in components.auxiliary)
