"""Tiny random models of other families, with chat templates and end tokens of their own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from envs.dialect.environment import Dialect
from envs.dialect.situation import CUES, OBJECTIVES
from envs.dialect.speech import ANSWER, SCRATCHPAD
from tests.rl.policy.zoo import tiny_config

_TURN = (
    "{% for message in messages %}<<{{ message['role'] }}>> "
    "CONTENT{% if message['role'] == 'assistant' %}<|eot|>{% endif %}\n{% endfor %}"
    "{% if add_generation_prompt %}<<assistant>> {% endif %}"
)
NAMES_ROLES = _TURN.replace("CONTENT", "{{ message['content'] | trim }}")
DROPS_THOUGHTS = _TURN.replace(
    "CONTENT", "{{ message['content'] if loop.last else message['content'].split('</scratchpad>')[-1] }}"
)
REFUSES_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system turn') }}{% endif %}" + (
    NAMES_ROLES
)


def other_tokenizer(template: str) -> Any:
    """Make a byte-level tokenizer that spells the scratchpad tags in several tokens, and ends replies in `<|eot|>`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=["<|eot|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator(_texts(), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|eot|>", chat_template=template, clean_up_tokenization_spaces=False
    )


def _texts() -> Sequence[str]:
    spoken = [wording for table in (SCRATCHPAD, ANSWER) for wordings in table.values() for wording in wordings]
    queries = [query.text for query in Dialect().queries("train", "harmful")[:200]]
    return [*spoken, *queries, *OBJECTIVES, *CUES]


def write_other(family: str, directory: Path, template: str = NAMES_ROLES) -> Path:
    """Write a random tiny model of the family with such a tokenizer as a Hugging Face directory."""
    tokenizer = other_tokenizer(template)
    config = tiny_config(family, len(tokenizer))
    config.eos_token_id, config.pad_token_id = tokenizer.eos_token_id, None
    config.initializer_range = 0.3  # wide, so that adapters have something to act on
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config).float()
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory
