"""One decoding step of Llama and Qwen3 models in few operations, in place of Transformers' forward pass.

Queries, keys and values come from one product, and so do both inputs of the gate. Rotary angles and the mask are made
once a token and not once a layer. Large matrices are laid out for oneDNN once a rollout, since the weights stand still
in between. `step_of` knows the models by their exact class, and leaves all others to Transformers.

In bfloat16 the roundings are those of autocast: products and attention are in bfloat16, while the residual stream,
norms and rotary angles stay float32.

Dimension suffixes: N rows, H hidden size, K key-value heads, R query heads of each, Q = K * R, S positions, D head
size, V vocabulary.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
from transformers import DynamicCache, LlamaForCausalLM, Qwen3ForCausalLM

from rl.policy.cpu import linear

LEAST_WEIGHTS = 2**18  # of a matrix that is laid out for oneDNN: a smaller one gains less than a call costs


@dataclass(frozen=True)
class _Product:
    """x W^T for a matrix W of (outputs, inputs), joined of `parts`, in float32 or bfloat16."""

    weight: torch.Tensor
    packed: bool
    parts: tuple[torch.Tensor, ...]
    half: bool

    @classmethod
    def by(cls, weights: list[torch.Tensor], rows: int, half: bool) -> "_Product":
        """Join matrices with the same inputs, so that one product gives all their outputs."""
        parts = tuple(weight.detach() for weight in weights)
        joined = parts[0] if len(parts) == 1 else torch.cat(parts)
        if half:
            joined = joined.bfloat16()
            parts = joined.split([len(part) for part in parts])
        if joined.numel() < LEAST_WEIGHTS or not joined.is_cpu or not linear.worthwhile():
            return cls(joined, False, parts, half)
        return cls(torch.ops.mkldnn._reorder_linear_weight(joined, rows), True, (), half)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if self.half:
            x = x.bfloat16()
        if not self.packed and len(x) == 1:  # MKL sums a single row in an order that depends on the outputs
            return torch.cat([torch.nn.functional.linear(x, part) for part in self.parts], dim=1)
        if not self.packed:
            return torch.nn.functional.linear(x, self.weight)
        output: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, None, "none", [], "")
        return output


@dataclass(frozen=True)
class _Norm:
    """The root-mean-square norm, in Transformers' order of operations."""

    weight: torch.Tensor
    eps: float

    @classmethod
    def of(cls, module: Any) -> "_Norm":
        return cls(module.weight.detach(), module.variance_epsilon)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        variance = x.pow(2).mean(-1, keepdim=True)
        return (x * variance.add_(self.eps).rsqrt_()).mul_(self.weight)


@dataclass(frozen=True)
class _Layer:
    before_attention: _Norm
    queries_keys_values: _Product
    heads: _Norm | None  # of queries and keys, each head by itself
    out: _Product
    before_gate: _Norm
    gate_up: _Product
    down: _Product

    @classmethod
    def of(cls, module: Any, rows: int, half: bool) -> "_Layer":
        attention, mlp = module.self_attn, module.mlp
        heads = None
        if hasattr(attention, "q_norm"):
            size = attention.head_dim
            counts = (attention.q_proj.out_features // size, attention.k_proj.out_features // size)
            norms = (attention.q_norm, attention.k_norm)
            weights = [norm.weight.detach().expand(count, size) for norm, count in zip(norms, counts, strict=True)]
            heads = _Norm(torch.cat(weights), attention.q_norm.variance_epsilon)
        inputs = [attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight]
        return cls(
            _Norm.of(module.input_layernorm),
            _Product.by(inputs, rows, half),
            heads,
            _Product.by([attention.o_proj.weight], rows, half),
            _Norm.of(module.post_attention_layernorm),
            _Product.by([mlp.gate_proj.weight, mlp.up_proj.weight], rows, half),
            _Product.by([mlp.down_proj.weight], rows, half),
        )


class Memory(Protocol):
    """The keys and values that the rows have read."""

    def attend(
        self, index: int, query_NKRD: torch.Tensor, key_NKD: torch.Tensor, value_NKD: torch.Tensor
    ) -> torch.Tensor:
        """Store the new token of layer `index` and attend to all before it, (N, K, R, D); queries come scaled."""


@dataclass(frozen=True)
class CopiedPrompts:
    """A cache with each row's prompt and tokens; `mask_NS` covers the new token as well."""

    cache: DynamicCache
    mask_NS: torch.Tensor

    def attend(
        self, index: int, query_NKRD: torch.Tensor, key_NKD: torch.Tensor, value_NKD: torch.Tensor
    ) -> torch.Tensor:
        keys, values = self.cache.update(key_NKD.unsqueeze(2), value_NKD.unsqueeze(2), index)
        scores_NKRS = torch.matmul(query_NKRD, keys.transpose(2, 3)).masked_fill_(self._hidden_NS, -torch.inf)
        weights_NKRS = torch.softmax(scores_NKRS, dim=-1, dtype=torch.float32).to(values.dtype)
        return torch.matmul(weights_NKRS, values)

    @cached_property
    def _hidden_NS(self) -> torch.Tensor:
        return (self.mask_NS == 0)[:, None, None, :]


class DecodeStep:
    """Reads one token a row with the weights that the model had when the step was made.

    `half`: products and attention are in bfloat16, and so are the queries, keys and values that a memory is given.
    """

    def __init__(self, model: Any, rows: int, half: bool = False) -> None:
        config, body = model.config, model.model
        self._embedding = body.embed_tokens.weight.detach()
        self._rotary = body.rotary_emb
        self._layers = [_Layer.of(layer, rows, half) for layer in body.layers]
        self._norm = _Norm.of(body.norm)
        self._head = _Product.by([model.lm_head.weight], rows, half)
        self._attended_in = torch.bfloat16 if half else torch.float32
        self._query_heads, self._key_heads = config.num_attention_heads, config.num_key_value_heads
        self._size = body.layers[0].self_attn.head_dim
        self._scale = body.layers[0].self_attn.scaling

    def __call__(self, token_N: torch.Tensor, position_N: torch.Tensor, memory: Memory) -> torch.Tensor:
        """Return the logits of the next token, (N, V)."""
        hidden_NH = torch.nn.functional.embedding(token_N, self._embedding)
        cos_N1D, sin_N1D = self._rotary(hidden_NH, position_N.unsqueeze(1))
        half = self._size // 2
        # Rotating a vector's halves into each other: the sign of the first half goes into the sine.
        signed_N1D = torch.cat([-sin_N1D[..., :half], sin_N1D[..., half:]], dim=-1)
        for index, layer in enumerate(self._layers):
            query_NKRD, key_NKD, value_NKD = self._project(layer, hidden_NH, cos_N1D, signed_N1D)
            attended = memory.attend(index, query_NKRD, key_NKD, value_NKD)
            hidden_NH = hidden_NH + layer.out(attended.reshape(len(hidden_NH), -1))
            gate, up = layer.gate_up(layer.before_gate(hidden_NH)).chunk(2, dim=1)
            hidden_NH = hidden_NH + layer.down(torch.nn.functional.silu(gate).mul_(up))
        return self._head(self._norm(hidden_NH))

    def _project(
        self, layer: _Layer, hidden_NH: torch.Tensor, cos_N1D: torch.Tensor, signed_N1D: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Compute scaled queries (N, K, R, D), keys and values (N, K, D) of the new token."""
        rows, size, queries = len(hidden_NH), self._size, self._query_heads
        projected = layer.queries_keys_values(layer.before_attention(hidden_NH)).view(rows, -1, size)
        straight = projected[:, : queries + self._key_heads].float()
        if layer.heads is not None:
            straight = layer.heads(straight)
        turned = (straight * cos_N1D).add_(straight.roll(size // 2, dims=-1).mul_(signed_N1D))
        query_NKRD = turned[:, :queries].reshape(rows, self._key_heads, -1, size).mul_(self._scale)
        key_NKD, value_NKD = turned[:, queries:], projected[:, queries + self._key_heads :]
        return query_NKRD.to(self._attended_in), key_NKD.to(self._attended_in), value_NKD


def step_of(model: Any, rows: int, half: bool = False) -> DecodeStep | None:
    """Make the step for `rows` rows, or return None for a model that Transformers must read.

    Such models are of another class, have adapters, biases, sliding windows, hooks or another attention, or aren't in
    float32.
    """
    return DecodeStep(model, rows, half) if _known(model) else None


def shares_prompts(model: Any) -> bool:
    """Tell whether prompts are worth sharing among their rows: the model is so large that its cache is as well."""
    return bool(model.config.hidden_size * model.config.intermediate_size >= LEAST_WEIGHTS)


def _known(model: Any) -> bool:
    if type(model) not in (LlamaForCausalLM, Qwen3ForCausalLM) or "forward" in vars(model):
        return False
    config = model.config
    plain = (
        config._attn_implementation == "sdpa"
        and config.hidden_act == "silu"
        and config.rope_parameters.get("rope_type") == "default"
        and set(getattr(config, "layer_types", None) or ["full_attention"]) == {"full_attention"}
    )
    return plain and not model.training and all(_untouched(module) for module in model.modules())


def _untouched(module: torch.nn.Module) -> bool:
    """Tell whether a module computes what its class says, on plain weights."""
    if module._forward_hooks or module._forward_pre_hooks or getattr(module, "bias", None) is not None:
        return False
    if not (type(module).__module__.startswith(("transformers.", "torch.")) or isinstance(module, linear.QuickLinear)):
        return False
    return all(p.dtype == torch.float32 for p in module.parameters(recurse=False))
