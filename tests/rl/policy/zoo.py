"""Random tiny causal language models of every architecture that Transformers loads as one.

A family is a key of Transformers' table of causal models, `mistral` say. Its default configuration is made tiny by two
rules: numbers that mean the same in many families, and one layer of each kind of layer that the default has.
`OF_FAMILY` holds what a family wants besides. Weights are drawn wide: with those that Transformers draws, every next
token is about as likely whatever was read, and a reader that reads the wrong thing isn't found out.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from envs.tokenizer import train_tokenizer

FAMILIES = tuple(sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES))
POSITIONS = 512
WINDOW = 16  # shorter than every prompt, so that a sliding window matters
MOST_PARAMETERS = 5_000_000  # a family that can't be made smaller than this isn't tiny

_NAMES: Mapping[int, str] = {
    32: """
        hidden_size d_model n_embd emb_dim embedding_dim embedding_size word_embed_proj_dim lru_width
        attention_hidden_size input_embedding_size output_embedding_size shared_intermediate_size
    """,
    64: """
        intermediate_size ffn_dim decoder_ffn_dim encoder_ffn_dim d_inner dim_ff dff n_inner feed_forward_size
        ffn_hidden_size intermediate_size_mlp moe_intermediate_size shared_expert_intermediate_size
        moe_shared_expert_intermediate_size expert_ffn_hidden_size shared_experts_intermediate_size
        dense_intermediate_size
    """,
    16: """
        kv_lora_rank q_lora_rank qk_head_dim mamba_d_state ssm_state_size o_lora_rank state_size index_topk
        sliding_window sliding_window_size attention_chunk_size local_attention window_size
        attention_window_size
    """,
    8: """
        head_dim v_head_dim qk_nope_head_dim qk_rope_head_dim d_head dim_head kv_channels index_head_dim
        linear_key_head_dim linear_value_head_dim linear_head_dim mamba_d_head mamba_n_heads d_kv mamba_head_dim
        mamba_num_heads chunk_size mamba_chunk_size swa_head_dim block_size hidden_size_per_layer_input
        hc_lowrank laurel_rank adapter_rank router_hidden_size
    """,
    4: """
        num_attention_heads n_head n_heads num_heads decoder_attention_heads encoder_attention_heads
        num_decoder_attention_heads num_encoder_attention_heads attention_heads linear_num_value_heads
        linear_num_heads swa_num_attention_heads num_experts num_local_experts n_routed_experts moe_num_experts
        mamba_dt_rank zero_expert_num time_step_rank
    """,
    2: """
        num_key_value_heads n_layer n_layers num_layers num_blocks decoder_layers encoder_layers
        num_hidden_layers num_decoder_layers num_encoder_layers num_experts_per_tok num_experts_per_token
        moe_topk moe_k index_n_heads linear_num_key_heads n_groups o_groups swa_num_key_value_heads num_kv_heads
    """,
    1: """
        n_group topk_group bos_token_id
    """,
    0: """
        pad_token_id num_nextn_predict_layers num_kv_shared_layers
    """,
    POSITIONS: """
        max_position_embeddings n_positions max_seq_len n_ctx context_length max_target_positions
    """,
}
_SMALL = {name: value for value, names in _NAMES.items() for name in names.split()} | {"eos_token_id": 2}
_KINDS_OF_LAYERS = ("layer_types", "mlp_layer_types", "block_types", "layers_block_type", "indexer_types")

_ENCODERS = """
    bert bert-generation big_bird camembert data2vec-text electra ernie megatron-bert rembert roberta
    roberta-prelayernorm roc_bert roformer xlm-roberta xlm-roberta-xl
"""
_INDEXER = {
    "indexer_n_heads": 2, "indexer_kv_heads": 1, "indexer_head_dim": 8, "indexer_budget": WINDOW,
    "indexer_compress_ratio": 2,
}  # fmt: skip
_LINEAR_AND_FULL = {"layer_types": ["linear_attention", "full_attention"]}
OF_FAMILY: Mapping[str, Mapping[str, Any]] = {
    **{family: {"is_decoder": True} for family in _ENCODERS.split()},  # they read both ways unless told to decode
    "bailing_hybrid": {"num_expert_group": 1},
    "bamba": {"attn_layer_indices": [1]},
    "big_bird": {"is_decoder": True, "attention_type": "original_full"},
    "bigbird_pegasus": {"attention_type": "original_full"},
    "blt": {"encoder_hash_byte_group_vocab": 64},
    "codegen": {"rotary_dim": 4},
    "cohere_compass_text": {"rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 10000.0}}},
    "dbrx": {"attn_config": {"kv_n_heads": 2, "rope_theta": 10000.0, "clip_qkv": 8.0}},
    "dots1": {"n_shared_experts": 1},
    "falcon_h1": {"mamba_d_ssm": 64},
    "gptj": {"rotary_dim": 4},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "granitemoehybrid": _LINEAR_AND_FULL,
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"], "num_dense_layers": 1},
    "mamba2": {"num_heads": 8, "head_dim": 8},
    "qwen4_exp": {"text_config": _INDEXER},
    "qwen4_exp_text": _INDEXER,
    "reformer": {"is_decoder": True, "axial_pos_embds": False, "attention_head_size": 8},
    "xlm": {"causal": True},
    "xmod": {"is_decoder": True, "default_language": "en_XX"},
    "zamba": {
        "layers_block_type": ["linear_attention", "hybrid"] * 2, "num_hidden_layers": 4, "attention_head_dim": 16,
        "attention_hidden_size": 64,
    },
    "zamba2": {
        "hybrid_layer_ids": [1, 3], "num_hidden_layers": 4, "layers_block_type": ["linear_attention", "hybrid"] * 2,
        "attention_head_dim": 16, "attention_hidden_size": 64, "mamba_headdim": 8,
    },
    "zaya": {"num_experts_per_tok": 1},
}  # fmt: skip


_ASSISTANT = "drafts tokens for another model and reads that model's states: it has no text of its own"
_COMPOSITE = "its causal class wants the configuration of the decoder alone, which no directory names by itself"
NOT_TINY: Mapping[str, str] = {
    "dots3_note": "the sizes of its picture and sound encoders are tied to each other by rules of their own",
    "dots3_note_text": "its configuration sets sizes layer by layer, for layers that a tiny model doesn't have",
    "gemma3n": "its picture encoder is another library's (timm), which is not among the dependencies",
    "gemma4_assistant": _ASSISTANT,
    "gemma4_unified_assistant": _ASSISTANT,
    "musicgen": _COMPOSITE,
    "musicgen_melody": _COMPOSITE,
}


class NotTiny(Exception):
    """A family of which no tiny model can be made; the message says why."""


def tiny_config(family: str, vocabulary: int) -> Any:
    """Make the family's default configuration small."""
    kind = CONFIG_MAPPING[family]
    return kind(**_merged(_small(kind().to_dict(), kind, vocabulary), OF_FAMILY.get(family, {})))


def _merged(small: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The small values with a family's own over them, part by part."""
    parts = {name: _merged(small[name], value) for name, value in own.items() if isinstance(small.get(name), dict)}
    return {**small, **own, **parts}


def _small(default: Mapping[str, Any], kind: Any, vocabulary: int) -> dict[str, Any]:
    """The small values of a configuration, those of its parts included."""
    found = {name: value for name, value in _SMALL.items() if name in default}
    found |= {name: vocabulary for name in default if name.endswith("vocab_size") and name != "type_vocab_size"}
    kinds = {name: list(dict.fromkeys(default[name])) for name in _KINDS_OF_LAYERS if default.get(name)}
    layers = max([2, *map(len, kinds.values())])
    found |= {name: (values * layers)[:layers] for name, values in kinds.items()}
    if "num_hidden_layers" in found:
        found["num_hidden_layers"] = layers
    if "kv_lora_rank" in default:  # latent attention has as many heads of keys as of queries
        found["num_key_value_heads"] = found["num_attention_heads"]
    for name in kind.sub_configs:
        if default.get(name):
            part = default[name]
            found[name] = _small(part, CONFIG_MAPPING.get(part.get("model_type"), kind), vocabulary)
            if "model_type" in part:
                found[name]["model_type"] = part["model_type"]
    return found


def zoo_tokenizer() -> Any:
    """Make a tokenizer that knows single bytes, the dialect's control tokens and its chat template."""
    return train_tokenizer([], 300)


def tiny_model(family: str, seed: int = 0) -> Any:
    """Make a random model of the family.

    Raises:
        NotTiny: no tiny model of this family can be made.
    """
    if family in NOT_TINY:
        raise NotTiny(f"{family}: {NOT_TINY[family]}")
    return make(family, seed)


def make(family: str, seed: int = 0) -> Any:
    """The same, tried even where it is known to fail."""
    config = tiny_config(family, len(zoo_tokenizer()))
    with torch.device("meta"):
        size = sum(weights.numel() for weights in AutoModelForCausalLM.from_config(config).parameters())
    if size > MOST_PARAMETERS:
        raise NotTiny(f"{family}: {size} parameters with everything made small that is known")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config).float().eval()
        _widen(model)
    return model


def _widen(model: Any) -> None:
    """Draws matrices anew, wide enough that what was read decides what is said."""
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if weights.ndim >= 2 and "norm" not in name:
                scale = 1.0 if "embed" in name or "lm_head" in name else 2.0
                weights.normal_(0.0, scale / weights.shape[-1] ** 0.5)


def write_tiny(family: str, directory: Path, seed: int = 0) -> Path:
    """Write a random model of the family and its tokenizer as a Hugging Face directory.

    Raises:
        NotTiny: no tiny model of this family can be made.
    """
    tiny_model(family, seed).save_pretrained(directory)
    zoo_tokenizer().save_pretrained(directory)
    return directory
