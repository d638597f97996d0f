"""Prompts read behind what they share leave what each leaves alone."""

import numpy as np
import pytest
import torch
from transformers import Lfm2Config, Lfm2ForCausalLM, MistralConfig, MistralForCausalLM

from envs.dialect.environment import Dialect
from rl.policy.policy import Policy
from rl.policy.prefill import LEAST_SHARED, LONG, prefill, shared_beginnings, sharing


def ids(text: str) -> np.ndarray:
    return np.array([ord(letter) for letter in text], dtype=np.int64)


@pytest.mark.parametrize(
    ("prompts", "beginnings", "beginning_of"),
    [
        # Two families: what all of a family begin with; the order is that of the ids.
        (["aaaaxy", "bbbbx", "aaaaz", "bbbby"], ["aaaa", "bbbb"], [0, 1, 0, 1]),
        # One that begins like another: its last id is left to be read.
        (["aaaa", "aaaaaa"], ["aaa"], [0, 0]),
        # Less than half in common: each has a beginning of its own, all but its last id.
        (["abcd", "axyz"], ["abc", "axy"], [0, 1]),
        (["abcd"], ["abc"], [0]),
        # A third that shares less makes the shared beginning shorter, for all.
        (["aaab", "aaac", "aabb"], ["aa"], [0, 0, 0]),
    ],
)
def test_beginnings_by_hand(prompts: list[str], beginnings: list[str], beginning_of: list[int]) -> None:
    shared = shared_beginnings([ids(prompt) for prompt in prompts])
    assert ["".join(map(chr, beginning)) for beginning in shared.beginnings] == beginnings
    assert shared.beginning_of == beginning_of
    for prompt, of in zip(prompts, shared.beginning_of, strict=True):
        assert prompt.startswith(beginnings[of])
        assert len(prompt) > len(beginnings[of])


def long_prompts(common: list[int]) -> list[np.ndarray]:
    """Prompts of LONG + 8 ids; each begins with so many ids of a text of its family, then goes on alone."""
    families, width = np.arange(2)[:, None] * 1000 + np.arange(LONG + 8), LONG + 8
    rest = [10_000 * (row + 1) + np.arange(width) for row in range(len(common))]
    return [
        np.concatenate([families[row % 2][:shared], own[shared:]])
        for row, (shared, own) in enumerate(zip(common, rest, strict=True))
    ]


def test_long_prompts_share_less_than_half_where_it_pays() -> None:
    prompts = long_prompts([40, 40, 40, 40, 40, 40])
    assert len(shared_beginnings(prompts).beginnings) == 6  # none has half in common
    shared = sharing(prompts)
    assert [len(beginning) for beginning in shared.beginnings] == [40, 40]
    assert shared.beginning_of == [0, 1, 0, 1, 0, 1]


def test_padding_may_cost_more_than_sharing_saves() -> None:
    # Two share 40 ids. Beside them the others would be padded to the rest of the two: dearer than reading all whole.
    prompts = long_prompts([40, 0, 40, 0, 0, 0])
    assert [len(beginning) for beginning in sharing(prompts).beginnings] == [LONG + 7] * 6
    assert len(sharing(long_prompts([LEAST_SHARED - 1] * 8)).beginnings) == 8


def test_logits_and_positions_are_those_of_each_prompt_alone(policy: Policy) -> None:
    env = Dialect()
    scenarios = env.held_out_scenarios(np.random.default_rng(0), "probe", "harmful", 8)
    prompts = [policy.prompt_ids(scenario) for scenario in scenarios]
    prompts = [*prompts, prompts[3], prompts[0][:7]]  # a copy, and one that is like no other
    assert len(shared_beginnings(list({p.tobytes(): p for p in prompts}.values())).beginnings) < len(prompts) - 1
    with torch.no_grad():
        read = prefill(policy, prompts)
        for row, prompt in enumerate(prompts):
            alone = policy.model(input_ids=torch.from_numpy(prompt)[None]).logits[0, -1]
            torch.testing.assert_close(read.logits_NV[row], alone, rtol=0, atol=1e-4)
            assert int(read.position_N[row]) == len(prompt) - 1
            assert int(read.mask_NS[row].sum()) == len(prompt)


def test_a_model_that_is_not_plain_attention_reads_each_prompt_whole() -> None:
    torch.manual_seed(0)
    config = MistralConfig(
        num_hidden_layers=2, hidden_size=16, intermediate_size=16, num_attention_heads=2, num_key_value_heads=1,
        sliding_window=4, vocab_size=200,
    )  # fmt: skip
    model = MistralForCausalLM(config).eval()
    policy = Policy(model, type("NoTokenizer", (), {"pad_token_id": 0})(), (1,))
    prompts = [ids("aaaaxyz"), ids("aaaaq"), ids("aaaaxyz"), ids("b")]
    with torch.no_grad():
        read = prefill(policy, prompts)
        for row, prompt in enumerate(prompts):
            alone = model(input_ids=torch.from_numpy(prompt)[None]).logits[0, -1]
            torch.testing.assert_close(read.logits_NV[row], alone, rtol=0, atol=1e-5)


def test_a_model_with_convolutions_for_layers_is_sampled_too() -> None:
    torch.manual_seed(0)
    config = Lfm2Config(
        vocab_size=200, hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, layer_types=["conv", "full_attention"],
    )  # fmt: skip
    model = Lfm2ForCausalLM(config).eval()
    policy = Policy(model, type("NoTokenizer", (), {"pad_token_id": 0})(), (1,))
    prompts = [ids("aaaaxyz"), ids("aaaaqrs"), ids("aaaaxyz")]
    with torch.no_grad():
        read = prefill(policy, prompts)
        for row, prompt in enumerate(prompts):
            alone = model(input_ids=torch.from_numpy(prompt)[None]).logits[0, -1]
            torch.testing.assert_close(read.logits_NV[row], alone, rtol=0, atol=1e-5)
        read.cache.reorder_cache(torch.tensor([1, 2]))
        follow = model(
            input_ids=torch.tensor([[5], [5]]),
            attention_mask=torch.nn.functional.pad(read.mask_NS[1:], (0, 1), value=1),
            position_ids=read.position_N[1:, None] + 1,
            past_key_values=read.cache,
        ).logits[:, -1]
        for row, prompt in enumerate(prompts[1:]):
            alone = model(input_ids=torch.from_numpy(np.append(prompt, 5))[None]).logits[0, -1]
            torch.testing.assert_close(follow[row], alone, rtol=0, atol=1e-5)
