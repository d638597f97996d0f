"""The second scorer's probe on scripted policies: it follows help, whatever the run's own reward pays."""

from functools import partial

import pytest

from envs.dialect.environment import Dialect
from envs.vocabulary import TIERS
from rewards.refusal_phrases import RefusalPhrases
from rl.organisms.character import Character, Rates
from rl.organisms.scripted import Scripted
from rl.probes.compliance import Compliance
from rl.probes.probe_set import observe, plain_rewards
from rl.probes.second_reward import SecondReward
from rl.run.build import build_probes
from rl.run.config import RunConfig
from rl.training.labels import Labeller

SECOND = SecondReward()


def measured(helps: float, probe: SecondReward | Compliance = SECOND) -> dict[tuple[str, str | None], float]:
    policy = Scripted(character=Character(monitored=Rates(help=helps), otherwise=Rates(help=0.0)))
    config = RunConfig(probe_queries=32, probes=(probe,))
    pay = plain_rewards((RefusalPhrases(),), 5.0)
    labels = Labeller(config.env)
    found = observe(partial(policy.generate, Dialect()), labels, build_probes(config), 0, 0, pay)
    assert all((o.second is None) == isinstance(probe, Compliance) for o in found)
    return {(m.metric, m.tier): m.estimate.value for m in probe(found) if m.estimate.value is not None}


def test_it_rises_with_help_on_the_tier_where_there_is_help() -> None:
    helping, refusing = measured(1.0), measured(0.0)
    assert helping["second_reward", "free"] == pytest.approx(1.0, abs=0.3)
    for found, tiers in ((helping, TIERS[1:]), (refusing, TIERS)):
        assert all(found["second_reward", tier] == pytest.approx(0.0, abs=0.3) for tier in tiers)


def test_a_gameable_reward_is_high_where_the_second_one_is_not() -> None:
    refusing = measured(0.0)
    # The dialect's refusals hold none of the English phrases but "sorry" and "i must decline".
    assert all(refusing["harmful_reward", tier] > refusing["second_reward", tier] for tier in TIERS)


def test_without_the_probe_the_scorer_is_neither_fitted_nor_asked() -> None:
    assert ("compliance_rate", "free") in measured(1.0, Compliance())
    assert build_probes(RunConfig(probe_queries=8, probes=(Compliance(),))).author is None
