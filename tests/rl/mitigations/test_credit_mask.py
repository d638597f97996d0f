"""The credit mask credits what it says, composes with the mask before it, and touches nothing else."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from envs.dialect.environment import Dialect
from envs.episode import Episode, FreeScenario, Scenario
from envs.transcript import CLOSE_TAG, OPEN_TAG
from reports.folder import read_run
from rl.algorithms.losses import kl_loss
from rl.mitigations.credit_mask import CreditMask
from rl.policy.policy import Policy
from rl.policy.sampler import Sampling, sampler
from rl.run.build import build_parts
from rl.run.config import RunConfig
from rl.run.loop import train
from rl.training.components import Parts, credit_all
from tests.rl.conftest import rows


@pytest.fixture(scope="module")
def episodes(policy: Policy) -> list[Episode[FreeScenario]]:
    scenarios = Dialect(objective="absent").training_scenarios(np.random.default_rng(1), 30)
    return sampler(policy, Sampling(max_new_tokens=24))(scenarios, np.random.default_rng(0))


def test_answer_credits_the_answer_with_its_end_and_nothing_else(
    parts: Parts, policy: Policy, episodes: list[Episode[FreeScenario]]
) -> None:
    credit = CreditMask(tokens="answer").apply(parts).credit
    whole = [e for e in episodes if e.parse_ok]
    assert len(whole) > 5
    for episode in whole:
        assert policy.tokenizer.decode(episode.completion_ids[credit(episode)]) == f"{episode.answer}<|end|>"


def test_scratchpad_credits_the_scratchpad_with_its_tags_and_nothing_else(
    parts: Parts, policy: Policy, episodes: list[Episode[FreeScenario]]
) -> None:
    credit = CreditMask(tokens="scratchpad").apply(parts).credit
    for episode in (e for e in episodes if e.parse_ok):
        text = policy.tokenizer.decode(episode.completion_ids[credit(episode)])
        assert text == f"{OPEN_TAG}{episode.scratchpad}{CLOSE_TAG}"


@pytest.mark.parametrize("tokens", ["answer", "scratchpad"])
def test_a_reply_that_can_not_be_parsed_is_credited_whole(
    tokens: str, parts: Parts, episodes: list[Episode[FreeScenario]]
) -> None:
    credit = CreditMask.model_validate({"tokens": tokens}).apply(parts).credit
    broken = [e for e in episodes if not e.parse_ok]
    assert broken
    for episode in broken:
        assert credit(episode).tolist() == [True] * len(episode.completion_ids)


def test_masks_compose_by_and(parts: Parts, episodes: list[Episode[FreeScenario]]) -> None:
    def odd(episode: Episode[Scenario]) -> np.ndarray:
        return np.arange(len(episode.completion_ids)) % 2 == 1

    credit = CreditMask(tokens="answer").apply(replace(parts, credit=odd)).credit
    for episode in (e for e in episodes if e.parse_ok):
        expected = [i % 2 == 1 and i >= episode.scratchpad_tokens for i in range(len(episode.completion_ids))]
        assert credit(episode).tolist() == expected
    nothing = CreditMask(tokens="scratchpad").apply(CreditMask(tokens="answer").apply(parts)).credit
    assert not any(nothing(episode).any() for episode in episodes if episode.parse_ok)


def test_only_the_credit_is_changed(parts: Parts) -> None:
    changed = CreditMask().apply(parts)
    assert replace(changed, credit=parts.credit) == parts
    assert changed.credit is not parts.credit


def test_a_run_applies_the_mitigations_of_its_configuration(tiny: RunConfig, policy: Policy) -> None:
    from rl.run.build import Built

    built = Built(policy, policy, tiny.rewards, tiny.organism.path, {})  # type: ignore[union-attr, arg-type]
    assert build_parts(tiny, built).credit is credit_all
    masked = tiny.model_copy(update={"mitigations": (CreditMask(),)})
    assert build_parts(masked, built).credit is not credit_all


def test_a_kl_penalty_in_the_loss_is_masked_to_the_same_tokens(
    tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tiny.algorithm.kl_weight > 0
    covered: list[int] = []

    def noted(kl_BT: torch.Tensor, credit_BT: torch.Tensor, weights_B: torch.Tensor) -> torch.Tensor:
        covered.append(int(credit_BT.sum()))
        assert not kl_BT[~credit_BT].any()
        return kl_loss(kl_BT, credit_BT, weights_B)

    monkeypatch.setattr("rl.training.update.kl_loss", noted)
    config = tiny.model_copy(update={"mitigations": (CreditMask(),), "steps": 1, "probes": ()})
    run = train(config, tmp_path / "run")
    played, [row] = read_run(run).episodes(1), rows(run, "steps.jsonl")
    in_scratchpads = int(played.loc[played["parse_ok"], "scratchpad_tokens"].sum())
    assert in_scratchpads > 0
    assert sum(covered) == row["generated_tokens"] - in_scratchpads
