"""A cache that is written in place holds what Transformers' own holds."""

import pytest
import torch
from transformers import DynamicCache, MistralConfig, MistralForCausalLM

from rl.policy.cpu.kv_cache import ROOM, make_room
from rl.policy.policy import Policy
from rl.policy.shortcuts import only_plain_attention


def filled(model: object, rows: int, length: int) -> DynamicCache:
    cache = DynamicCache(config=model.config)
    for layer in range(len(cache.layers)):
        keys = torch.arange(rows * 2 * length * 4, dtype=torch.float32).reshape(rows, 2, length, 4) + layer
        cache.update(keys, -keys, layer)
    return cache


@pytest.mark.parametrize("tokens", [1, ROOM - 1, ROOM, 3 * ROOM + 2])
def test_what_is_written_in_place_is_what_concatenation_gives(tokens: int, policy: Policy) -> None:
    plain, roomy = filled(policy.model, 6, 3), filled(policy.model, 6, 3)
    make_room(roomy)
    kept = torch.tensor([0, 2, 3, 5])
    for token in range(tokens):
        new = torch.full((len(kept) if token > tokens // 2 else 6, 2, 1, 4), float(token))
        for cache in (plain, roomy):
            if token == tokens // 2 + 1:
                cache.reorder_cache(kept)
            cache.update(new, new + 0.5, 0)
    for one, other in zip(plain.layers[:1], roomy.layers[:1], strict=True):
        assert torch.equal(one.keys, other.keys)
        assert torch.equal(one.values, other.values)
    assert plain.get_seq_length() == roomy.get_seq_length() == 3 + tokens
    assert plain.get_mask_sizes(1, 0) == roomy.get_mask_sizes(1, 0)


def test_tokens_are_written_without_copying_what_is_there(policy: Policy) -> None:
    cache = filled(policy.model, 2, 3)
    make_room(cache)
    new = torch.zeros(2, 2, 1, 4)
    cache.update(new, new, 0)
    place = cache.layers[0].keys.data_ptr()
    for _ in range(ROOM - 1):
        cache.update(new, new, 0)
    assert cache.layers[0].keys.data_ptr() == place


def test_layers_that_are_not_plain_attention_are_left_as_they_are(policy: Policy) -> None:
    config = MistralConfig(
        num_hidden_layers=1, hidden_size=16, intermediate_size=16, num_attention_heads=2, sliding_window=4, vocab_size=8
    )
    sliding = MistralForCausalLM(config)
    assert not only_plain_attention(sliding)
    assert only_plain_attention(policy.model)
    cache = DynamicCache(config=sliding.config)
    before = list(cache.layers)
    make_room(cache)
    assert cache.layers == before
