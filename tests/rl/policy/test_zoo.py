"""Every architecture that Transformers loads as a causal language model: its numbers are right, or it is refused."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from envs.dialect.environment import Dialect
from envs.episode import Episode, FreeScenario
from rl.policy.loading import load_policy
from rl.policy.logprobs import completion_logprobs
from rl.policy.policy import Policy
from rl.policy.sampler import Sampling, sampler
from tests.conftest import fast_of
from tests.rl.policy.zoo import FAMILIES, NOT_TINY, make, tiny_model, write_tiny

# Attention of several kinds, windows, positions learned and ALiBi, two recurrent ones, and a decoder of an encoder.
TEN = ("llama", "qwen3", "gemma3_text", "mistral", "gpt2", "gpt_neo", "mpt", "mamba", "recurrent_gemma", "bart")
# Refused models, each with words of the refusal: they read ahead, or can't be read or loaded as they are.
REFUSED = {
    "blt": "a plain forward pass over it fails",
    "cpmant": "it reads ahead",
    "emu3": "can't load a causal LM",
    "mllama": "can't load a causal LM",
    "prophetnet": "it reads ahead",
    "reformer": "a plain forward pass over it fails",
    "xlnet": "it reads ahead",
}
# Models that ignore the given cache, or hold another cache: every token costs a pass over the row.
UNCACHED = ("falcon_mamba", "mamba", "mamba2", "minimax")
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Without what Transformers has to say of a family's optional kernels."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def scenarios() -> list[FreeScenario]:
    """Four prompts of different lengths, the first one twice."""
    found = Dialect(objective="absent").training_scenarios(np.random.default_rng(1), 4)
    return [found[row] for row in (0, 1, 2, 3, 0)]


def by_definition(model: Any, prompt: np.ndarray[Any, Any], completion: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """One row alone, from its first token to its last: no padding, no cache, no shortcut."""
    ids, n = torch.from_numpy(np.concatenate([prompt, completion]))[None], len(completion)
    with torch.no_grad():
        logits = model(input_ids=ids).logits[0, -n - 1 : -1]
    return np.asarray(torch.log_softmax(logits.float(), dim=-1)[torch.arange(n), ids[0, -n:]])


def gap_to_the_definition(policy: Policy, episodes: list[Episode[FreeScenario]]) -> tuple[float, float]:
    """The largest error of what the sampler recorded and of what a reading gives, in nats."""
    read_NT = completion_logprobs(policy, episodes, size=3)
    errors = []
    for row, episode in enumerate(episodes):
        right = by_definition(policy.model, episode.prompt_ids, episode.completion_ids)
        errors.append((abs(episode.logprobs - right).max(), abs(read_NT[row, : len(right)] - right).max()))
    return float(max(first for first, _ in errors)), float(max(second for _, second in errors))


@pytest.mark.parametrize("family", fast_of([family for family in FAMILIES if family not in NOT_TINY], TEN))
def test_log_probabilities_are_those_of_a_plain_forward_pass_or_the_model_is_refused(
    family: str, tmp_path: Path, scenarios: list[FreeScenario]
) -> None:
    directory = write_tiny(family, tmp_path)
    if family in REFUSED:
        with pytest.raises(ValueError, match=REFUSED[family]) as refusal:
            load_policy(directory, CPU)
        assert "\n" not in str(refusal.value)
        return
    policy = load_policy(directory, CPU)
    assert not (family in UNCACHED and policy.shortcuts.cached)
    episodes = sampler(policy, Sampling(min_p=0, max_new_tokens=16))(scenarios, np.random.default_rng(0))
    assert len({len(episode.prompt_ids) for episode in episodes}) > 1
    sampled, read = gap_to_the_definition(policy, episodes)
    assert max(sampled, read) < 1e-4, f"the sampler is off by {sampled:.2g}, the reading by {read:.2g} nats"


@pytest.mark.parametrize("family", TEN)
def test_what_a_model_of_the_zoo_says_depends_on_what_it_has_read(family: str) -> None:
    model = tiny_model(family)
    rng = np.random.default_rng(0)
    prompt, said = rng.integers(10, 100, 40), rng.integers(10, 100, 10)
    whole, cut = (by_definition(model, ids, said) for ids in (prompt, prompt[-4:]))
    assert abs(whole - cut).max() > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(NOT_TINY))
def test_what_the_zoo_leaves_out_still_cannot_be_made_tiny(family: str) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011 - each family fails in a way of its own
        make(family)
