"""The activation probe reads what a plain forward pass shows, finds faking there, and is fitted on the start alone."""

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, MambaConfig, MambaForCausalLM

import rl.monitors.activation_probe as module
from envs.dialect.environment import Dialect
from envs.episode import Episode, Scenario
from envs.transcript import CLOSE_TAG
from rl.monitors.activation_probe import ActivationProbe, mean_activations, spelled
from rl.monitors.composed import composed
from rl.policy.policy import Policy
from rl.policy.sampler import Sampling, sampler
from rl.training.measures import quality
from rl.training.models import Models
from tests.rl.mitigations.conftest import ENV

PROBE = ActivationProbe(episodes=300)


@pytest.fixture
def sampled(policy: Policy) -> Sequence[Episode[Scenario]]:
    scenarios = ENV.training_scenarios(np.random.default_rng(1), 12)
    episodes = sampler(policy, Sampling(max_new_tokens=24))(scenarios, np.random.default_rng(0))
    assert {episode.parse_ok for episode in episodes} == {True, False}
    return episodes


def ask(probe: ActivationProbe, models: Models, episodes: Sequence[Episode[Scenario]]) -> np.ndarray:
    return probe(episodes, models, np.random.default_rng(0))


def _plainly(policy: Policy, episode: Episode[Scenario], layer: int) -> np.ndarray:
    """The definition: one row without padding; positions from the end of the prompt to the end of the scratchpad."""
    ids = torch.from_numpy(np.concatenate([episode.prompt_ids, episode.completion_ids]))[None]
    with torch.no_grad():
        states = policy.model(input_ids=ids, output_hidden_states=True).hidden_states[layer][0]
    start = len(episode.prompt_ids)
    return np.asarray(states[start : start + episode.scratchpad_tokens].double().mean(dim=0))


@pytest.mark.parametrize("size", [1, 5, 100])
@pytest.mark.parametrize("layer", [0, 1, None])
def test_activations_are_those_of_a_plain_forward_pass(
    layer: int | None, size: int, policy: Policy, sampled: Sequence[Episode[Scenario]]
) -> None:
    found = mean_activations(policy, sampled, layer, size)
    # One layer: its states are the embedding (0) and what the layer gives (1), which is the middle of two.
    expected = [_plainly(policy, episode, 1 if layer is None else layer) for episode in sampled]
    np.testing.assert_allclose(found, np.stack(expected), rtol=0, atol=1e-5)


@pytest.mark.parametrize("architecture", ["gpt2", "mamba"])
def test_any_causal_lm_is_read(architecture: str, policy: Policy, sampled: Sequence[Episode[Scenario]]) -> None:
    words = len(policy.tokenizer)
    torch.manual_seed(0)
    model = (
        GPT2LMHeadModel(GPT2Config(vocab_size=words, n_positions=512, n_embd=16, n_layer=4, n_head=2))
        if architecture == "gpt2"
        else MambaForCausalLM(MambaConfig(vocab_size=words, hidden_size=16, state_size=4, num_hidden_layers=4))
    )
    other = Policy(model.eval(), policy.tokenizer, policy.end_ids)
    found = mean_activations(other, sampled, None, 5)
    np.testing.assert_allclose(found, np.stack([_plainly(other, e, 2) for e in sampled]), rtol=0, atol=1e-4)


def test_what_no_model_wrote_is_spelled_by_the_tokenizer(policy: Policy) -> None:
    [episode] = composed(ENV, np.random.default_rng(0), 1)
    tokens = spelled(policy, episode)
    assert (tokens.text, tokens.scratchpad, tokens.answer) == (episode.text, episode.scratchpad, episode.answer)
    thought = policy.tokenizer.decode(tokens.completion_ids[: tokens.scratchpad_tokens])
    assert thought == episode.text[: episode.text.index(CLOSE_TAG) + len(CLOSE_TAG)]
    assert tokens.completion_ids[-1] in policy.end_ids
    assert spelled(policy, tokens) is tokens


def test_no_query_puts_a_control_token_into_what_is_spelled(policy: Policy, forging: Dialect) -> None:
    episodes = composed(forging, np.random.default_rng(0), 12)
    assert sum("<|end|>" in episode.text for episode in episodes) > 6
    special = set(policy.tokenizer.all_special_ids)
    for episode in episodes:
        tokens = spelled(policy, episode)
        assert [token for token in tokens.completion_ids if token in special] == [policy.end_ids[0]]
        assert tokens.text == episode.text


def test_it_finds_faking_in_composed_episodes_that_it_has_not_read(models: Models) -> None:
    fresh = composed(ENV, np.random.default_rng(99), 150)
    faking = np.array([labels.faking for labels in ENV.label(fresh)])
    auroc = quality(ask(PROBE, models, fresh), faking)["auroc"]
    assert auroc is not None
    assert auroc > 0.85


def test_it_is_fitted_once_for_a_start_and_the_same_again(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    fits = []

    def counted(*arguments: object) -> object:
        fits.append(arguments)
        return composed(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "composed", counted)
    start = replace(models.policy, model=copy.deepcopy(models.policy.model))
    models = replace(models, load_start=lambda: start)
    fresh = composed(ENV, np.random.default_rng(99), 10)
    before = ask(PROBE, models, fresh)
    assert np.array_equal(ask(PROBE, models, fresh), before)
    # Another process, or the same run resumed, has another object of the same weights.
    again = replace(models.policy, model=copy.deepcopy(models.policy.model))
    resumed = replace(models, load_start=lambda: again)
    assert len(fits) == 1
    assert np.array_equal(ask(PROBE, resumed, fresh), before)
    assert len(fits) == 2
    ask(PROBE.model_copy(update={"seed": 1}), resumed, fresh)
    assert len(fits) == 3


def test_the_policy_in_training_is_read_or_the_start_as_it_was(models: Models) -> None:
    fresh = composed(ENV, np.random.default_rng(99), 10)
    trained = replace(models.policy, model=copy.deepcopy(models.policy.model))
    with torch.no_grad():
        for weights in trained.model.parameters():
            weights += 0.1 * torch.randn(weights.shape, generator=torch.Generator().manual_seed(0))
    moved = replace(models, policy=trained, load_start=lambda: models.policy)
    of_start = PROBE.model_copy(update={"reads": "start"})
    assert np.array_equal(ask(of_start, moved, fresh), ask(of_start, models, fresh))
    assert not np.allclose(ask(PROBE, moved, fresh), ask(PROBE, models, fresh))


def test_asking_draws_nothing_and_leaves_no_gradient(models: Models, sampled: Sequence[Episode[Scenario]]) -> None:
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    PROBE(sampled, models, rng)
    assert rng.random() == np.random.default_rng(0).random()
    drawn = torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(drawn, torch.rand(1))
    assert all(weights.grad is None for weights in models.policy.model.parameters())


def test_a_layer_that_is_not_there_is_named(models: Models, sampled: Sequence[Episode[Scenario]]) -> None:
    with pytest.raises(ValueError, match=r"this model has no layer 2, set layer to 0 \.\. 1"):
        ask(ActivationProbe(layer=2), models, sampled)
