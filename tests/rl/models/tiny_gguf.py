"""A tiny llama model as a GGUF file, as llama.cpp's converter would write it, and the model that it is written from."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from numpy.typing import NDArray
from transformers import LlamaConfig, LlamaForCausalLM

from envs.tokenizer import CHAT_TEMPLATE, train_tokenizer

TEXTS = [
    "the user says: hello, hello world; a system text and a reply. steps:\n\n1. go home\n\n2. sleep 12 hours",
    "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789",
]
HEADS, KEY_HEADS, WIDTH = 4, 2, 32
CONTROL, NORMAL = 3, 1


@dataclass(frozen=True)
class Tiny:
    """The file, and the model and the tokenizer that it was written from."""

    file: Path
    model: Any
    tokenizer: Any


def write_tiny(
    file: Path,
    *,
    tied: bool = True,
    template: str | None = CHAT_TEMPLATE,
    architecture: str = "llama",
    pre: str = "gpt-2",
    quantisation: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F32,
    left_out: str = "",
    added: dict[str, NDArray[np.float32]] | None = None,
    ends: bool | str = True,
) -> Tiny:
    """Write the file. `left_out` and `added` are tensors by their names in the file; `ends` may be a token's id."""
    tokenizer = train_tokenizer([*TEXTS, *["\n\n"] * 50], 320)
    model = _model(len(tokenizer), tied)
    writer = gguf.GGUFWriter(file, architecture)
    _write_shape(writer, model.config)
    _write_tokenizer(writer, tokenizer, template, pre, ends)
    for name, weights in {**_tensors(model), **(added or {})}.items():
        if name == left_out:
            continue
        if weights.ndim == 2 and quantisation != gguf.GGMLQuantizationType.F32:
            writer.add_tensor(name, gguf.quantize(weights, quantisation), raw_dtype=quantisation)
        else:
            writer.add_tensor(name, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return Tiny(file, model, tokenizer)


def _model(vocabulary: int, tied: bool) -> Any:
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=WIDTH, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=HEADS, num_key_value_heads=KEY_HEADS, max_position_embeddings=256,
        tie_word_embeddings=tied, initializer_range=0.3,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return LlamaForCausalLM(config).float().eval()


def _write_shape(writer: gguf.GGUFWriter, config: Any) -> None:
    writer.add_name("Tiny Model")
    writer.add_license("mit")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(config.vocab_size)


def _write_tokenizer(writer: gguf.GGUFWriter, tokenizer: Any, template: str | None, pre: str, ends: bool | str) -> None:
    tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    special = set(tokenizer.all_special_tokens)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([CONTROL if token in special else NORMAL for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in _merges(tokenizer)])
    writer.add_pad_token_id(tokenizer.pad_token_id)
    if isinstance(ends, str):
        writer.add_string("tokenizer.ggml.eot_token_id", ends)
    if ends:
        writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_add_bos_token(False)
    if template is not None:
        writer.add_chat_template(template)


def _merges(tokenizer: Any) -> list[list[str]]:
    return json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]


def _tensors(model: Any) -> dict[str, NDArray[np.float32]]:
    """The weights under the names of the format, the rows of queries and keys in llama.cpp's order."""
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, model.config.num_hidden_layers)
    found = {}
    for name, weights in model.named_parameters():
        array = weights.detach().numpy()
        if ".q_proj." in name:
            array = _permuted(array, HEADS)
        if ".k_proj." in name:
            array = _permuted(array, KEY_HEADS)
        found[f"{names.get_name(name.removesuffix('.weight'))}.weight"] = np.ascontiguousarray(array)
    return found


def _permuted(weights: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    halves = weights.reshape(heads, 2, weights.shape[0] // heads // 2, weights.shape[1])
    return halves.swapaxes(1, 2).reshape(weights.shape)
