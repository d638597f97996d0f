"""Counts against numbers worked out by hand."""

import numpy as np
import pytest
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from benchmarks.arithmetic import counter, forward_operations
from envs.dialect.environment import Dialect
from envs.episode import Episode
from rl.policy.cpu.linear import QuickLinear
from rl.streams import Stage, stream

HIDDEN, INNER, WORDS, LAYERS = 8, 16, 10, 2


def tiny() -> Qwen3ForCausalLM:
    torch.manual_seed(0)
    return Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=WORDS,
            hidden_size=HIDDEN,
            intermediate_size=INNER,
            num_hidden_layers=LAYERS,
            num_attention_heads=2,
            num_key_value_heads=2,
            head_dim=4,
            tie_word_embeddings=True,
        )
    ).eval()


# Query, key, value and output, and the three of the inner layer: 4 * 64 + 3 * 128 weights a layer, and 80 of the head.
BODY, HEAD = LAYERS * (4 * HIDDEN * HIDDEN + 3 * HIDDEN * INNER), WORDS * HIDDEN


def episode(prompt: list[int], completion: list[int]) -> Episode:
    scenario = Dialect().training_scenarios(stream(0, 1, Stage.scenarios), 1)[0]
    return Episode(
        scenario=scenario, text="", scratchpad="", answer="", parse_ok=False, finished=True,
        prompt_ids=np.array(prompt), completion_ids=np.array(completion), scratchpad_tokens=0, answer_tokens=0,
    )  # fmt: skip


def test_two_completions_of_a_prompt_read_it_once() -> None:
    episodes = [episode([1, 2, 3], [4, 5]), episode([1, 2, 3], [6])]
    # Tokens that are read: 3 of the prompt and the first of the two-token completion. Predicted: 3.
    # Positions seen: 1 + 2 + 3 in the prompt, 4 by the completion's token; 4 * 8 operations each in each layer.
    expected = 2 * BODY * (3 + 1) + 2 * HEAD * 3 + LAYERS * 4 * HIDDEN * (6 + 4)
    assert forward_operations(tiny(), episodes) == expected


def test_the_counter_sees_matrices_and_attention() -> None:
    model = tiny()
    with torch.no_grad(), counter() as counted:
        model(input_ids=torch.ones((3, 5), dtype=torch.long), use_cache=False)
    # Attention counts whole squares of 5 x 5 positions, as it computes them.
    assert counted.get_total_flops() == 2 * (BODY + HEAD) * 15 + LAYERS * 4 * HIDDEN * 25 * 3


def test_a_backward_pass_is_twice_the_forward_and_more_where_attention_computes_again() -> None:
    model, ids = tiny(), torch.ones((3, 5), dtype=torch.long)
    with counter() as counted:
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
    products, attention = 2 * (BODY + HEAD) * 15, LAYERS * 4 * HIDDEN * 25 * 3
    assert counted.get_total_flops() == 3 * products + attention + attention * 5 // 2


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this build of torch has no oneDNN")
def test_a_layer_that_multiplies_by_onednn_counts_as_any_other() -> None:
    layer = torch.nn.Linear(HIDDEN, INNER)
    layer.__class__ = QuickLinear
    with counter() as counted:
        layer(torch.ones((2, 300, HIDDEN), requires_grad=True)).sum().backward()
    assert counted.get_total_flops() == 3 * 2 * 600 * HIDDEN * INNER
