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
from rl.mitigations.loss_mask import LossMask
from rl.policy.policy import Policy
from rl.policy.sampler import Sampling, sampler
from rl.run.build import build_components
from rl.run.config import RunConfig
from rl.run.loop import train
from rl.training.components import StepComponents, mask_nothing
from tests.rl.conftest import rows


@pytest.fixture(scope="module")
def episodes(policy: Policy) -> list[Episode[FreeScenario]]:
    scenarios = Dialect(objective="absent").training_scenarios(np.random.default_rng(1), 30)
    return sampler(policy, Sampling(max_new_tokens=24))(scenarios, np.random.default_rng(0))


def test_answer_credits_the_answer_with_its_end_and_nothing_else(
    components: StepComponents, policy: Policy, episodes: list[Episode[FreeScenario]]
) -> None:
    loss_mask = LossMask(tokens="answer").apply(components).loss_mask
    whole = [e for e in episodes if e.parse_ok]
    assert len(whole) > 5
    for episode in whole:
        assert policy.tokenizer.decode(episode.completion_ids[loss_mask(episode)]) == f"{episode.answer}<|end|>"


def test_scratchpad_credits_the_scratchpad_with_its_tags_and_nothing_else(
    components: StepComponents, policy: Policy, episodes: list[Episode[FreeScenario]]
) -> None:
    loss_mask = LossMask(tokens="scratchpad").apply(components).loss_mask
    for episode in (e for e in episodes if e.parse_ok):
        text = policy.tokenizer.decode(episode.completion_ids[loss_mask(episode)])
        assert text == f"{OPEN_TAG}{episode.scratchpad}{CLOSE_TAG}"


@pytest.mark.parametrize("tokens", ["answer", "scratchpad"])
def test_a_reply_that_can_not_be_parsed_is_credited_whole(
    tokens: str, components: StepComponents, episodes: list[Episode[FreeScenario]]
) -> None:
    loss_mask = LossMask.model_validate({"tokens": tokens}).apply(components).loss_mask
    broken = [e for e in episodes if not e.parse_ok]
    assert broken
    for episode in broken:
        assert loss_mask(episode).tolist() == [True] * len(episode.completion_ids)


def test_masks_compose_by_and(components: StepComponents, episodes: list[Episode[FreeScenario]]) -> None:
    def odd(episode: Episode[Scenario]) -> np.ndarray:
        return np.arange(len(episode.completion_ids)) % 2 == 1

    loss_mask = LossMask(tokens="answer").apply(replace(components, loss_mask=odd)).loss_mask
    for episode in (e for e in episodes if e.parse_ok):
        expected = [i % 2 == 1 and i >= episode.scratchpad_tokens for i in range(len(episode.completion_ids))]
        assert loss_mask(episode).tolist() == expected
    nothing = LossMask(tokens="scratchpad").apply(LossMask(tokens="answer").apply(components)).loss_mask
    assert not any(nothing(episode).any() for episode in episodes if episode.parse_ok)


def test_only_the_credit_is_changed(components: StepComponents) -> None:
    changed = LossMask().apply(components)
    assert replace(changed, loss_mask=components.loss_mask) == components
    assert changed.loss_mask is not components.loss_mask


def test_a_run_applies_the_mitigations_of_its_configuration(tiny: RunConfig, policy: Policy) -> None:
    from rl.run.build import Built

    built = Built(policy, policy, tiny.rewards, tiny.organism.path, {})  # type: ignore[union-attr, arg-type]
    assert build_components(tiny, built).loss_mask is mask_nothing
    masked = tiny.model_copy(update={"mitigations": (LossMask(),)})
    assert build_components(masked, built).loss_mask is not mask_nothing


def test_a_kl_penalty_in_the_loss_is_masked_to_the_same_tokens(
    tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tiny.algorithm.kl_weight > 0
    covered: list[int] = []

    def noted(kl_BT: torch.Tensor, loss_mask_BT: torch.Tensor, weights_B: torch.Tensor) -> torch.Tensor:
        covered.append(int(loss_mask_BT.sum()))
        assert not kl_BT[~loss_mask_BT].any()
        return kl_loss(kl_BT, loss_mask_BT, weights_B)

    monkeypatch.setattr("rl.training.update.kl_loss", noted)
    config = tiny.model_copy(update={"mitigations": (LossMask(),), "steps": 1, "probes": ()})
    run = train(config, tmp_path / "run")
    played, [row] = read_run(run).episodes(1), rows(run, "steps.jsonl")
    in_scratchpads = int(played.loc[played["parse_ok"], "scratchpad_tokens"].sum())
    assert in_scratchpads > 0
    assert sum(covered) == row["generated_tokens"] - in_scratchpads
