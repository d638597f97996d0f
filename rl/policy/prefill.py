"""Reading of prompts into a cache before sampling: a shared beginning is read once, and each prompt once.

The scenarios of a run share a few system prompts, which are most of the text to read. Dimension suffixes: N rows, D
distinct prompts, G beginnings, P positions of a beginning, Q positions of the rest (both padded left), S = P + Q, V
vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import DynamicCache

from rl.policy.cpu import speed
from rl.policy.policy import Policy, pad_left, positions

Ids = NDArray[np.int64]
LONG = 128  # ids: the shortest prompt of a batch of long prompts has more
LEAST_SHARED = 24  # ids: a shorter beginning isn't worth a group


@dataclass(frozen=True)
class Prefill:
    """The state of N rows after their prompts.

    `cache` has room for further tokens; `logits_NV` are those of the first further token.
    """

    cache: DynamicCache
    mask_NS: torch.Tensor
    position_N: torch.Tensor
    logits_NV: torch.Tensor


@dataclass(frozen=True)
class DistinctPrompts:
    """The state after distinct prompts, and the prompt of each of N rows."""

    cache: DynamicCache
    mask_DS: torch.Tensor
    position_D: torch.Tensor
    logits_DV: torch.Tensor
    prompt_of_N: torch.Tensor

    def halve(self) -> None:
        """Keep keys and values in bfloat16, as attention reads them; for layers of plain attention."""
        for layer in self.cache.layers:
            layer.keys, layer.values = layer.keys.bfloat16(), layer.values.bfloat16()

    def copied(self, cpu_speed: bool) -> Prefill:
        """Give each row a copy of its prompt's state; the distinct prompts are gone afterwards."""
        rows = self.prompt_of_N
        self.cache.reorder_cache(rows)  # a row may occur several times; all kinds of layers support it
        speed.make_room(self.cache, cpu_speed)
        return Prefill(self.cache, self.mask_DS[rows], self.position_D[rows], self.logits_DV[rows])


@dataclass(frozen=True)
class Shared:
    """Beginnings, and the index of each prompt's beginning.

    The rest of a prompt is never empty.
    """

    beginnings: list[Ids]
    beginning_of: list[int]


def prefill(policy: Policy, prompts: Sequence[Ids], limit: int = 0) -> Prefill:
    """Read the prompts as `read_prompts` does, and give each row a copy of its prompt's state."""
    return read_prompts(policy, prompts, limit).copied(policy.cpu_speed)


def read_prompts(policy: Policy, prompts: Sequence[Ids], limit: int = 0) -> DistinctPrompts:
    """Read the prompts, each once; `prompt_of_N` is in their order. `limit` tokens are to follow.

    Each prompt is read whole if the model can't be continued behind a gap, or if the padding of two parts would exceed
    its window.
    """
    distinct = {prompt.tobytes(): prompt for prompt in prompts}
    row_of = {key: row for row, key in enumerate(distinct)}
    prompt_of_N = torch.tensor([row_of[prompt.tobytes()] for prompt in prompts], device=policy.device)
    cache = DynamicCache(config=policy.model.config)
    rests = list(distinct.values())
    mask_DS = torch.empty((len(rests), 0), dtype=torch.int64, device=policy.device)
    shared = sharing(rests) if policy.shortcuts.shares_beginnings and min(map(len, rests)) > 1 else None
    if shared is not None and policy.shortcuts.fits(_width(rests, shared) + limit):
        ids_GP, mask_GP = pad_left(shared.beginnings, policy.pad_id, policy.device)
        _read(policy, cache, ids_GP, mask_GP)
        beginning_of_D = torch.tensor(shared.beginning_of, device=policy.device)
        cache.reorder_cache(beginning_of_D)
        mask_DS = mask_GP[beginning_of_D]
        rests = [rest[len(shared.beginnings[of]) :] for rest, of in zip(rests, shared.beginning_of, strict=True)]
    ids_DQ, mask_DQ = pad_left(rests, policy.pad_id, policy.device)
    mask_DS = torch.cat([mask_DS, mask_DQ], dim=1)
    logits_DV = _read(policy, cache, ids_DQ, mask_DS)
    return DistinctPrompts(cache, mask_DS, positions(mask_DS)[:, -1], logits_DV, prompt_of_N)


def _width(prompts: Sequence[Ids], shared: Shared) -> int:
    """Count the positions of the prompts in the cache if both of their parts are padded."""
    lengths = [len(beginning) for beginning in shared.beginnings]
    rests = [len(prompt) - lengths[of] for prompt, of in zip(prompts, shared.beginning_of, strict=True)]
    return max(lengths) + max(rests)


def _read(policy: Policy, cache: DynamicCache, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Read ids after the content of the cache; `mask` covers both. Return the logits after the last id, (rows, V)."""
    output = policy.forward(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions(mask)[:, -ids.shape[1] :],
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    logits: torch.Tensor = output.logits[:, -1]
    return logits


def sharing(prompts: Sequence[Ids]) -> Shared:
    """Choose what is read once: beginnings of at least half of each prompt; for long prompts, the cheapest choice.

    Long prompts may share less than half, or nothing where padding would cost more than is saved.
    """
    by_half = shared_beginnings(prompts)
    if min(map(len, prompts)) <= LONG:
        return by_half
    whole = Shared([prompt[:-1] for prompt in prompts], list(range(len(prompts))))
    return min(
        (by_half, shared_beginnings(prompts, LEAST_SHARED), whole), key=lambda one: _read_positions(prompts, one)
    )


def _read_positions(prompts: Sequence[Ids], shared: Shared) -> int:
    """Count the positions that two passes read, padding included."""
    lengths = [len(beginning) for beginning in shared.beginnings]
    rests = [len(prompt) - lengths[of] for prompt, of in zip(prompts, shared.beginning_of, strict=True)]
    return len(lengths) * max(lengths) + len(rests) * max(rests)


def shared_beginnings(prompts: Sequence[Ids], least: int | None = None) -> Shared:
    """Group distinct prompts by their beginnings.

    Prompts of a group share at least half of each, or at least `least` ids.
    """
    order = sorted(range(len(prompts)), key=lambda row: prompts[row].tolist())
    beginnings: list[Ids] = []
    beginning_of = [0] * len(prompts)
    for row in order:
        prompt = prompts[row]
        common = _common(beginnings[-1], prompt) if beginnings else 0
        half = 2 * common >= len(prompt) and 2 * common >= len(beginnings[-1] if beginnings else ())
        if half or (least is not None and common >= least):
            beginnings[-1] = beginnings[-1][:common]
        else:
            beginnings.append(prompt[:-1])
        beginning_of[row] = len(beginnings) - 1
    return Shared(beginnings, beginning_of)


def _common(first: Ids, second: Ids) -> int:
    """Count the ids of the common beginning; the last of `second` doesn't count, so that its rest isn't empty."""
    length = min(len(first), len(second) - 1)
    different = np.flatnonzero(first[:length] != second[:length])
    return int(different[0]) if len(different) else length
