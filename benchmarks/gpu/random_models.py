"""Random models of given sizes, written as ordinary directories: timings need shapes and no knowledge."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

from benchmarks.contest.plain_english import PlainEnglish
from envs.tokenizer import train_tokenizer
from rl.policy.policy import pick_device

END_SPREAD = 4.0  # standard deviation of the end token's logit, of others about a half: replies end now and then
WORDS = 600  # tokens of the tokenizer; the vocabulary of a model may be larger, and then has rows that spell nothing


@dataclass(frozen=True)
class Shape:
    """The sizes of a model, as in its configuration. The output layer is the embedding."""

    family: str
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    vocab_size: int


LLAMA_135M = Shape("llama", 576, 1536, 30, 9, 3, 64, 49152)  # those of SmolLM2-135M
QWEN3_600M = Shape("qwen3", 1024, 3072, 28, 16, 8, 128, 151936)  # those of Qwen3-0.6B
TOY_LLAMA = Shape("llama", 64, 128, 2, 4, 2, 16, 700)
TOY_QWEN3 = Shape("qwen3", 64, 128, 2, 4, 2, 16, 700)


def random_model(shape: Shape, directory: Path) -> Path:
    """Write a random model with a tokenizer of plain English, unless it is there; return its directory."""
    if (directory / "config.json").is_file():
        return directory
    tokenizer = train_tokenizer(_texts(), WORDS)
    settings: dict[str, Any] = {name: value for name, value in vars(shape).items() if name != "family"}
    settings |= {
        "max_position_embeddings": 4096,
        "tie_word_embeddings": True,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": None,
    }
    torch.manual_seed(0)
    with pick_device():  # a card draws so many numbers in a moment
        model = (
            LlamaForCausalLM(LlamaConfig(**settings))
            if shape.family == "llama"
            else Qwen3ForCausalLM(Qwen3Config(**settings))
        )
    with torch.no_grad():  # the final norm gives states of length sqrt(hidden size)
        row = model.get_output_embeddings().weight[tokenizer.eos_token_id]
        row.copy_(torch.randn(shape.hidden_size) * END_SPREAD / shape.hidden_size**0.5)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def _texts() -> list[str]:
    drawn = PlainEnglish().training_scenarios(np.random.default_rng(0), 64)
    return [message["content"] for scenario in drawn for message in scenario.messages]
