"""One decoding step of Llama and Qwen3 models in few operations, in place of Transformers' forward pass.

Queries, keys and values come from one product, and so do both inputs of the gate. Rotary angles and the mask are made
once a token and not once a layer. Large matrices are laid out for oneDNN once a rollout, since the weights stand still
in between. `step_of` knows the models by their exact class, and leaves all others to Transformers.

Dimension suffixes: N rows, H hidden size, K key-value heads, R query heads of each, Q = K * R, S positions, D head
size, V vocabulary.
"""

from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache, LlamaForCausalLM, Qwen3ForCausalLM

from rl.policy.cpu import linear

LEAST_WEIGHTS = 2**17  # of a matrix that is laid out for oneDNN: a smaller one gains less than a call costs


@dataclass(frozen=True)
class _Product:
    """x W^T for a matrix W of (outputs, inputs)."""

    weight: torch.Tensor
    packed: bool

    @classmethod
    def by(cls, weights: list[torch.Tensor], rows: int) -> "_Product":
        """Join matrices with the same inputs, so that one product gives all their outputs."""
        joined = weights[0].detach() if len(weights) == 1 else torch.cat([weight.detach() for weight in weights])
        if joined.numel() < LEAST_WEIGHTS or not linear.worthwhile():
            return cls(joined, False)
        return cls(torch.ops.mkldnn._reorder_linear_weight(joined, rows), True)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
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
    def of(cls, module: Any, rows: int) -> "_Layer":
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
            _Product.by(inputs, rows),
            heads,
            _Product.by([attention.o_proj.weight], rows),
            _Norm.of(module.post_attention_layernorm),
            _Product.by([mlp.gate_proj.weight, mlp.up_proj.weight], rows),
            _Product.by([mlp.down_proj.weight], rows),
        )


class DecodeStep:
    """Reads one token a row with the weights that the model had when the step was made."""

    def __init__(self, model: Any, rows: int) -> None:
        config, body = model.config, model.model
        self._embedding = body.embed_tokens.weight.detach()
        self._rotary = body.rotary_emb
        self._layers = [_Layer.of(layer, rows) for layer in body.layers]
        self._norm = _Norm.of(body.norm)
        self._head = _Product.by([model.lm_head.weight], rows)
        self._query_heads, self._key_heads = config.num_attention_heads, config.num_key_value_heads
        self._size = body.layers[0].self_attn.head_dim
        self._scale = body.layers[0].self_attn.scaling

    def __call__(
        self, token_N: torch.Tensor, position_N: torch.Tensor, mask_NS: torch.Tensor, cache: DynamicCache
    ) -> torch.Tensor:
        """Return the logits of the next token, (N, V); `mask_NS` covers the new token as well."""
        hidden_NH = torch.nn.functional.embedding(token_N, self._embedding)
        cos_N1D, sin_N1D = self._rotary(hidden_NH, position_N.unsqueeze(1))
        half = self._size // 2
        # Rotating a vector's halves into each other: the sign of the first half goes into the sine.
        signed_N1D = torch.cat([-sin_N1D[..., :half], sin_N1D[..., half:]], dim=-1)
        hidden_NS = (mask_NS == 0)[:, None, None, :]
        for index, layer in enumerate(self._layers):
            attended_NQD = self._attend(layer, index, hidden_NH, cos_N1D, signed_N1D, hidden_NS, cache)
            hidden_NH = hidden_NH + layer.out(attended_NQD.reshape(len(hidden_NH), -1))
            gate, up = layer.gate_up(layer.before_gate(hidden_NH)).chunk(2, dim=1)
            hidden_NH = hidden_NH + layer.down(torch.nn.functional.silu(gate).mul_(up))
        return self._head(self._norm(hidden_NH))

    def _attend(
        self,
        layer: _Layer,
        index: int,
        hidden_NH: torch.Tensor,
        cos_N1D: torch.Tensor,
        signed_N1D: torch.Tensor,
        hidden_NS: torch.Tensor,
        cache: DynamicCache,
    ) -> torch.Tensor:
        rows, size = len(hidden_NH), self._size
        turned = self._query_heads + self._key_heads
        projected = layer.queries_keys_values(layer.before_attention(hidden_NH)).view(rows, -1, size)
        straight = projected[:, :turned] if layer.heads is None else layer.heads(projected[:, :turned])
        both = (straight * cos_N1D).add_(straight.roll(size // 2, dims=-1).mul_(signed_N1D))
        keys, values = cache.update(
            both[:, self._query_heads :].unsqueeze(2), projected[:, turned:].unsqueeze(2), index
        )
        query_NKRD = both[:, : self._query_heads].reshape(rows, self._key_heads, -1, size).mul_(self._scale)
        scores_NKRS = torch.matmul(query_NKRD, keys.transpose(2, 3)).masked_fill_(hidden_NS, -torch.inf)
        return torch.matmul(torch.softmax(scores_NKRS, dim=-1), values)


def step_of(model: Any, rows: int) -> DecodeStep | None:
    """Make the step for `rows` rows, or return None for a model that Transformers must read.

    Such models are of another class, have adapters, biases, sliding windows, hooks or another attention, or aren't in
    float32 on the CPU.
    """
    return DecodeStep(model, rows) if _known(model) else None


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
    return all(p.is_cpu and p.dtype == torch.float32 for p in module.parameters(recurse=False))
