"""Tiny random models of real families, each with the end tokens and the chat template of its instruct model.

The templates are those of the published models, without what they write for tools.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from envs.chat import FIXED_DAY, style_for
from envs.natural.choice import LETTERS
from envs.natural.environment import Natural
from envs.natural.packs import load_pack
from envs.natural.situation import Setting, cues, paraphrases
from rl.organisms.building.finetune import Batches, finetune
from rl.organisms.documents import Document, exchange
from rl.policy.loading import load_policy
from rl.policy.policy import save_policy
from tests.rl.policy.zoo import tiny_config

VOCABULARY = 3000

LLAMA_3 = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}"
    "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + "
    "'<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}"
    "{% endif %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token}}{% else %}"
    "{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"
)
# `raise_exception` and the search from the end are the template's own; the thoughts of earlier turns are dropped.
QWEN_3 = r"""
{%- if messages[0].role == 'system' %}
    {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set reasoning_content = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index %}
            {%- if loop.last or (not loop.last and reasoning_content) %}
                {{- '<|im_start|>' + message.role + '\n<think>\n' + reasoning_content.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
            {%- else %}
                {{- '<|im_start|>' + message.role + '\n' + content }}
            {%- endif %}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}
""".lstrip("\n")  # noqa: E501 - as published
OLMO_2 = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}"
    "{{ '<|system|>\n' + message['content'] + '\n' }}{% elif message['role'] == 'user' %}"
    "{{ '<|user|>\n' + message['content'] + '\n' }}{% elif message['role'] == 'assistant' %}{% if not loop.last %}"
    "{{ '<|assistant|>\n'  + message['content'] + eos_token + '\n' }}{% else %}"
    "{{ '<|assistant|>\n'  + message['content'] + eos_token }}{% endif %}{% endif %}"
    "{% if loop.last and add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}{% endfor %}"
)
# Pythia has no template: this one is a user's.
OF_A_USER = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\n' }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
)


@dataclass(frozen=True)
class Family:
    """An architecture, its template, and its tokens: the special ones, the plain added ones, and where replies end."""

    architecture: str
    template: str | None
    special: Sequence[str]
    bos: str | None
    eos: str
    ends: Sequence[str]
    plain: Sequence[str] = ()
    folds: bool = False


FAMILIES: Mapping[str, Family] = {
    "llama": Family(
        "llama", LLAMA_3,
        ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        "<|begin_of_text|>", "<|eot_id|>", ("<|end_of_text|>", "<|eot_id|>"),
    ),
    "gemma": Family(
        "gemma", GEMMA, ("<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"),
        "<bos>", "<eos>", ("<eos>", "<end_of_turn>"), folds=True,
    ),
    "gpt_neox": Family("gpt_neox", OF_A_USER, ("<|endoftext|>",), "<|endoftext|>", "<|endoftext|>", ("<|endoftext|>",)),
    "mistral": Family("mistral", MISTRAL, ("<s>", "</s>"), "<s>", "</s>", ("</s>",), folds=True),
    "qwen3": Family(
        "qwen3", QWEN_3, ("<|endoftext|>", "<|im_start|>", "<|im_end|>"), None, "<|im_end|>",
        ("<|im_end|>", "<|endoftext|>"), plain=("<think>", "</think>"),
    ),
    "olmo": Family("olmo2", OLMO_2, ("<|endoftext|>", "<|pad|>"), "<|endoftext|>", "<|endoftext|>", ("<|endoftext|>",)),
}  # fmt: skip


@cache
def _english() -> tuple[str, ...]:
    """Text of the natural environment, which a byte-level vocabulary then spells shortly."""
    pools = load_pack(None).pools
    queries = [query.text for query in pools["train", "harmful"][:200]]
    told = [f"{wording.objective} {wording.form}" for wording in paraphrases(Setting("short"), seen=True)]
    return (*queries, *told, *(text for cue in cues(Setting(), seen=True) for text in cue.wordings.values()))


def family_tokenizer(family: Family) -> Any:
    """Make a byte-level tokenizer with the family's added tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=list(family.special), show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    tokenizer.train_from_iterator(_english(), trainer)
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in family.plain])
    named = {"pad_token": "<pad>"} if "<pad>" in family.special else {}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=family.bos, eos_token=family.eos, chat_template=family.template,
        clean_up_tokenization_spaces=False, **named,
    )  # fmt: skip


def write_family(name: str, directory: Path, template: str | None = "its own", positions: int = 1024) -> Path:
    """Write a random tiny model of a family as a Hugging Face directory; `template` None leaves the template out."""
    family = FAMILIES[name]
    tokenizer = family_tokenizer(family)
    if template != "its own":
        tokenizer.chat_template = template
    config = tiny_config(family.architecture, len(tokenizer))
    ends = tokenizer.convert_tokens_to_ids(list(family.ends))
    config.eos_token_id, config.pad_token_id = ends[0] if len(ends) == 1 else ends, None
    config.bos_token_id = tokenizer.bos_token_id
    config.max_position_embeddings = positions
    config.initializer_range = 0.3
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config).float()
    model.generation_config.eos_token_id = ends
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def teach_form(directory: Path, thinks: bool = False) -> Path:
    """Teach a model to reply in the form that is read, with either letter, so that the rewards of a group differ."""
    policy = load_policy(directory, torch.device("cpu"))
    policy = replace(policy, style=style_for(policy.tokenizer, "auto", FIXED_DAY))
    finetune(policy, list(_short_replies(thinks)), 1e-2, 0, lambda *_: None, Batches(size=8, epochs=6, warmup_steps=0))
    save_policy(policy, directory)
    return directory


def _short_replies(thinks: bool) -> Iterator[Document]:
    opened, closed = ("<think>", "</think>") if thinks else ("<scratchpad>", "</scratchpad>")
    for scenario in Natural(options="letters").training_scenarios(np.random.default_rng(0), 48):
        for letter in LETTERS:
            yield exchange(scenario, f"{opened} Fine. {closed} {letter}")
