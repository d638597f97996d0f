"""Log-probabilities of completions: the same however they are divided into passes, and so are their gradients."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import MistralConfig, MistralForCausalLM

from envs.dialect.environment import Dialect
from envs.episode import Episode, FreeScenario
from rl.organisms.faker import Faker
from rl.policy.loading import load_policy
from rl.policy.logprobs import Pass, completion_logprobs, over_vocabulary, pad_right, passes
from rl.policy.policy import Policy
from rl.policy.sampler import Sampling, sampler
from rl.policy.shortcuts import EVERY_SHORTCUT, Shortcuts
from rl.run.build import build
from rl.run.config import RunConfig

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def episodes(policy: Policy) -> list[Episode[FreeScenario]]:
    """Completions of six prompts, of different lengths, the first prompt's not side by side."""
    found = Dialect(objective="absent").training_scenarios(np.random.default_rng(1), 6)
    scenarios = [found[i] for i in (0, 1, 2, 0, 3, 4, 5, 0, 1, 1)]
    played = sampler(policy, Sampling(max_new_tokens=24))(scenarios, np.random.default_rng(2))
    assert len({len(e.completion_ids) for e in played}) > 1
    assert len({len(e.prompt_ids) for e in played}) > 1
    return played


WAYS = {
    "prompts once": EVERY_SHORTCUT,
    "whole episodes": Shortcuts(),
    "unpadded": Shortcuts(padded=False),
    "padding would overrun the window": Shortcuts(shares_prompts=True, window=50),
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Shortcuts:
    """Every way of reading: behind the prompts, each episode whole, and only rows of one shape together."""
    return WAYS[request.param]


def test_pad_right_by_hand() -> None:
    ids, mask = pad_right([np.array([5, 6, 7]), np.array([8])], 0, CPU)
    assert ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("size", [1, 3, 100])
def test_log_probabilities_entropy_and_states_are_those_of_a_plain_forward_pass(
    way: Shortcuts, size: int, temperature: float, policy: Policy, episodes: list[Episode[FreeScenario]]
) -> None:
    policy = replace(policy, shortcuts=way)
    found = list(passes(policy, episodes, range(len(episodes)), size, temperature, hidden=True))
    assert sorted(row for read in found for row in read.rows) == list(range(len(episodes)))
    assert max(len(read.rows) for read in found) <= size
    for read in found:
        for place, row in enumerate(read.rows):
            _is_as_defined(read, place, policy, episodes[row], temperature)


def _is_as_defined(read: Pass, place: int, policy: Policy, one: Episode[FreeScenario], temperature: float) -> None:
    """The definition: one row, without padding or any shortcut."""
    assert read.hidden_BTH is not None
    assert read.entropy_BT is not None
    ids, n = torch.from_numpy(np.concatenate([one.prompt_ids, one.completion_ids]))[None], len(one.completion_ids)
    with torch.no_grad():
        output = policy.model(input_ids=ids, output_hidden_states=True)
    table = torch.log_softmax(output.logits[0, -n - 1 : -1] / temperature, dim=-1)
    expected = table[torch.arange(n), ids[0, -n:]]
    torch.testing.assert_close(read.logprobs_BT[place, :n], expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(read.entropy_BT[place, :n], -(table.exp() * table).sum(-1), rtol=0, atol=1e-4)
    state = output.hidden_states[-1][0, -n - 1 : -1]
    torch.testing.assert_close(read.hidden_BTH[place, :n], state, rtol=0, atol=1e-4)


def test_log_probabilities_are_in_the_order_of_the_episodes_and_padded_with_zeros(
    policy: Policy, episodes: list[Episode[FreeScenario]]
) -> None:
    found_NT = completion_logprobs(policy, episodes, size=3)
    assert found_NT.shape == (len(episodes), max(len(e.completion_ids) for e in episodes))
    for row, episode in enumerate(episodes):
        n = len(episode.completion_ids)
        np.testing.assert_allclose(found_NT[row, :n], episode.logprobs, rtol=0, atol=1e-4)
        assert not found_NT[row, n:].any()


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_the_whole_vocabulary_is_that_of_a_plain_forward_pass(
    temperature: float, policy: Policy, episodes: list[Episode[FreeScenario]]
) -> None:
    with torch.no_grad():
        found_BTV, ids_BT, mask_BT = over_vocabulary(policy, episodes, temperature)
    assert mask_BT.sum(dim=1).tolist() == [len(episode.completion_ids) for episode in episodes]
    for row, one in enumerate(episodes):
        ids, n = torch.from_numpy(np.concatenate([one.prompt_ids, one.completion_ids]))[None], len(one.completion_ids)
        with torch.no_grad():
            logits_TV = policy.model(input_ids=ids).logits[0, -n - 1 : -1]
        expected_TV = torch.log_softmax(logits_TV / temperature, dim=-1)
        torch.testing.assert_close(found_BTV[row, :n], expected_TV, rtol=0, atol=1e-4)
        assert ids_BT[row, :n].tolist() == one.completion_ids.tolist()


def test_some_rows_alone_can_be_read(policy: Policy, episodes: list[Episode[FreeScenario]]) -> None:
    with torch.no_grad():
        assert sorted(row for read in passes(policy, episodes, [7, 2], 1) for row in read.rows) == [2, 7]


def gradients(policy: Policy, episodes: list[Episode[FreeScenario]], size: int) -> list[torch.Tensor]:
    """Compute the gradients of a sum over tokens in which every token has a weight of its own."""
    policy.model.zero_grad()
    for read in passes(policy, episodes, range(len(episodes)), size, 0.9, hidden=True):
        assert read.hidden_BTH is not None
        loss = torch.zeros(())
        for place, row in enumerate(read.rows):
            n = len(episodes[row].completion_ids)
            weights = torch.linspace(0.2, 1.0 + row, n)
            loss = loss + (read.logprobs_BT[place, :n] * weights).sum() + 0.1 * read.hidden_BTH[place, :n].sum()
        loss.backward()
    return [p.grad.clone() for p in policy.model.parameters() if p.grad is not None]


@pytest.mark.parametrize("size", [1, 2, 4, 100])
def test_gradients_are_those_of_whole_episodes_however_they_are_divided(
    size: int, way: Shortcuts, organism_path: Path, episodes: list[Episode[FreeScenario]]
) -> None:
    policy = load_policy(organism_path, CPU)
    found = gradients(replace(policy, shortcuts=way), episodes, size)
    whole = gradients(replace(policy, shortcuts=Shortcuts()), episodes, 100)
    assert len(whole) == len(list(policy.model.parameters()))
    for one, other in zip(found, whole, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


def test_in_bfloat16_gradients_are_float32_and_nearly_the_same(
    way: Shortcuts, organism_path: Path, episodes: list[Episode[FreeScenario]]
) -> None:
    policy = replace(load_policy(organism_path, CPU), shortcuts=way)
    exact, found = gradients(policy, episodes, 3), gradients(replace(policy, half=True), episodes, 3)
    for one, other in zip(found, exact, strict=True):
        assert one.dtype == torch.float32
        assert not torch.equal(one, other)
        assert float((one - other).norm()) < 0.03 * float(other.norm())


def test_a_prompt_is_read_once_however_many_passes_its_completions_take(
    policy: Policy, episodes: list[Episode[FreeScenario]], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[int, int]] = []
    hook = policy.model.register_forward_pre_hook(
        lambda _, args, kwargs: read.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    try:
        completion_logprobs(policy, episodes, size=6)
    finally:
        hook.remove()
    # Six prompts at once, then ten completions in passes of six and four.
    assert [rows for rows, _ in read] == [6, 6, 4]
    # With at most two at a time: the prompts by twos, and behind each two their completions by twos.
    read.clear()
    hook = policy.model.register_forward_pre_hook(
        lambda _, args, kwargs: read.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    try:
        completion_logprobs(policy, episodes, size=2)
    finally:
        hook.remove()
    # Prompt 0 has three completions and prompt 1 three: three passes of two. The others one each.
    assert [rows for rows, _ in read] == [2, 2, 2, 2, 2, 2, 2, 2]


def with_sliding_window(policy: Policy, directory: Path) -> Path:
    """A model of random weights whose layers forget: they can't be continued from a copy."""
    torch.manual_seed(0)
    config = MistralConfig(
        num_hidden_layers=2, hidden_size=16, intermediate_size=16, num_attention_heads=2, num_key_value_heads=1,
        sliding_window=4, vocab_size=len(policy.tokenizer), eos_token_id=2,
    )  # fmt: skip
    MistralForCausalLM(config).save_pretrained(directory)
    policy.tokenizer.save_pretrained(directory)
    return directory


def test_a_model_with_a_sliding_window_is_read_whole_and_a_run_says_so(
    policy: Policy, episodes: list[Episode[FreeScenario]], tiny: RunConfig, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = with_sliding_window(policy, tmp_path / "mistral")
    sliding = load_policy(path, CPU)
    for read in passes(sliding, episodes, range(len(episodes)), 4, hidden=True):
        for place, row in enumerate(read.rows):
            _is_as_defined(read, place, sliding, episodes[row], 1.0)
    build(tiny)
    assert "this model" not in capsys.readouterr().err
    build(tiny.model_copy(update={"organism": Faker(path=path)}))
    assert "can't be continued" in capsys.readouterr().err
