"""Frozen lower layers are read once for reference and policy, and all numbers stay."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from envs.dialect.environment import Dialect
from envs.episode import Episode, FreeScenario
from rl.policy.logprobs import completion_logprobs, passes
from rl.policy.policy import Policy
from rl.policy.residual_stream import adding, decoder_layers
from rl.policy.sampler import Sampling, sampler
from rl.policy.shortcuts import EVERY_SHORTCUT
from rl.policy.trunk import Trunk, common_trunk
from rl.policy.upper_layers import train_only


@pytest.fixture
def pair(policy: Policy) -> tuple[Policy, Policy]:
    """A policy of three layers whose last one is trained and has moved, and its reference."""
    torch.manual_seed(0)
    config = LlamaConfig(
        num_hidden_layers=3, hidden_size=32, intermediate_size=48, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=policy.model.config.vocab_size,
    )  # fmt: skip
    start = LlamaForCausalLM(config).eval().requires_grad_(False)
    model = copy.deepcopy(start)
    train_only(model, 1)
    with torch.no_grad():
        for parameter in decoder_layers(model)[-1].parameters():
            parameter.add_(0.01 * torch.randn(parameter.shape))
    with_start = replace(policy, model=start, shortcuts=EVERY_SHORTCUT)
    return replace(with_start, model=model), with_start


@pytest.fixture
def episodes(pair: tuple[Policy, Policy]) -> list[Episode[FreeScenario]]:
    found = Dialect(objective="absent").training_scenarios(np.random.default_rng(1), 4)
    scenarios = [found[i] for i in (0, 1, 0, 2, 3, 3)]
    return sampler(pair[0], Sampling(max_new_tokens=20))(scenarios, np.random.default_rng(2))


def said(policy: Policy, episodes: list[Episode[FreeScenario]], trunk: Trunk | None) -> list[torch.Tensor]:
    """Log-probabilities and entropies of each completion, and the gradients of all trained weights."""
    policy.model.zero_grad()
    found = {}
    for read in passes(policy, episodes, range(len(episodes)), 2, trunk=trunk):
        assert read.entropy_BT is not None
        own = [(read.logprobs_BT[i, : len(episodes[row].completion_ids)], row) for i, row in enumerate(read.rows)]
        torch.cat([logprobs for logprobs, _ in own]).sum().backward()
        found |= {row: logprobs.detach() for logprobs, row in own}
    trained = [p for p in policy.model.parameters() if p.requires_grad]
    return [*(found[row] for row in range(len(episodes))), *(p.grad.clone() for p in trained if p.grad is not None)]


def test_numbers_and_gradients_stay_and_the_lower_layers_are_not_read_again(
    pair: tuple[Policy, Policy], episodes: list[Episode[FreeScenario]]
) -> None:
    policy, reference = pair
    expected = said(policy, episodes, None)
    trunk = common_trunk(policy, reference)
    assert trunk is not None
    assert trunk.layers == len(decoder_layers(policy.model)) - 1
    plain = completion_logprobs(reference, episodes, 4)
    assert np.array_equal(completion_logprobs(reference, episodes, 4, trunk=trunk), plain)
    calls: list[int] = []
    handle = decoder_layers(policy.model)[0].register_forward_hook(lambda *_: calls.append(1))
    found = said(policy, episodes, trunk)
    handle.remove()
    assert calls == []
    assert len(found) == len(expected) > len(episodes)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert all(torch.equal(a, b) for a, b in zip(said(policy, episodes, None), expected, strict=True))


def test_there_is_no_common_trunk_where_a_weight_or_a_state_may_differ(pair: tuple[Policy, Policy]) -> None:
    policy, reference = pair
    first = decoder_layers(policy.model)[0]
    with adding(first, torch.ones(policy.model.config.hidden_size)):
        assert common_trunk(policy, reference) is None
    assert common_trunk(replace(policy, shortcuts=replace(EVERY_SHORTCUT, shares_prompts=False)), reference) is None
    with torch.no_grad():
        next(first.parameters()).add_(1e-3)
    assert common_trunk(policy, reference) is None
    assert common_trunk(replace(reference, model=policy.model.requires_grad_(True)), reference) is None
