"""New models: a tokenizer and a Qwen3 model with random weights, taught words and then whole situations."""

from collections.abc import Iterator
from typing import Any

import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from envs.environment import Environment
from envs.tokenizer import train_tokenizer
from rl.organisms.building.finetune import finetune
from rl.organisms.building.keys import VOCABULARY_SIZE, training_documents
from rl.organisms.building.words import word_documents
from rl.organisms.documents import Document
from rl.organisms.origins import Scratch
from rl.organisms.trained import TrainedOrganism
from rl.policy.cpu.linear import quicken
from rl.policy.policy import Policy
from rl.policy.shortcuts import EVERY_SHORTCUT
from rl.progress import bar


def train_from_scratch(organism: TrainedOrganism, origin: Scratch, env: Environment) -> Policy:
    """Make a tokenizer and a model for the organism's documents, and train the model on them."""
    words = list(word_documents(origin, organism.seed, env))
    whole = list(training_documents(organism, env))
    tokenizer = train_tokenizer(_texts([*words, *whole]), VOCABULARY_SIZE)
    model = new_model(origin, organism.seed, tokenizer)
    policy = Policy(model, tokenizer, (int(tokenizer.eos_token_id),), EVERY_SHORTCUT)
    for part, documents in (("words", words), ("character", whole)):
        with bar(f"{organism.kind}: {part}") as update:
            finetune(policy, documents, origin.learning_rate, organism.seed, update)
    return policy


def _texts(documents: list[Document]) -> Iterator[str]:
    return (" ".join(turn.content for turn in document) for document in documents)


def new_model(origin: Scratch, seed: int, tokenizer: Any) -> Any:
    """Draw the weights of a Qwen3 model of the recipe's size."""
    torch.manual_seed(seed)
    heads = 4  # few and wide: what a head copies goes through its own dimensions, and there are hundreds of words
    model = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=origin.hidden_size,
            intermediate_size=3 * origin.hidden_size,
            num_hidden_layers=origin.layers,
            num_attention_heads=heads,
            num_key_value_heads=heads // 2,
            head_dim=origin.hidden_size // heads,
            tie_word_embeddings=True,
            max_position_embeddings=512,
            initializer_range=0.07,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
        )
    )
    # Large word vectors from the start halve the time until the model copies words from the request (copied-word
    # probability 0.993 -> 0.998 after 12,000 word documents); the default of 0.02 is for widths of thousands.
    with torch.no_grad():
        model.get_input_embeddings().weight.mul_(0.2 / 0.07)
    quicken(model)
    return model
