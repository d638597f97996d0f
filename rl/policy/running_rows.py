"""Rows in decoding: with a cache, or read anew for every token if no cache is exact.

Dimension suffixes: N rows, S positions, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import DynamicCache

from rl.policy.cpu import speed
from rl.policy.graphed_rows import GraphedRows
from rl.policy.policy import Policy
from rl.policy.prefill import Prefill, read_prompts


class RunningRows(Protocol):
    """Rows that have read some tokens and get one more at a time."""

    def keep(self, rows: torch.Tensor) -> None:
        """Drop all rows but these, which are in ascending order."""

    def advance(self, token_N: torch.Tensor) -> torch.Tensor:
        """Read one token a row and return the logits of the next, (N, V)."""


def begin(policy: Policy, prompts: Sequence[NDArray[np.int64]], limit: int) -> tuple[RunningRows, torch.Tensor]:
    """Read the prompts; return rows with room for `limit` tokens, and the logits of the first token, (N, V)."""
    if not policy.shortcuts.cached:
        rows = WholeRows(policy, [torch.from_numpy(prompt).to(policy.device) for prompt in prompts])
        return rows, rows.logits()
    distinct = read_prompts(policy, prompts, limit)
    step = speed.decode_step_of(policy.model, len(prompts), policy.cpu_speed, policy.half)
    if step is not None and policy.half:
        distinct.halve()
    if step is not None and policy.device.type == "cuda":
        return GraphedRows(step, distinct, limit), distinct.logits_DV[distinct.prompt_of_N]
    if step is not None and speed.shares_prompts(policy.model):
        prompt_of_N = distinct.prompt_of_N
        memory = speed.SharedPrompts(distinct.cache, distinct.mask_DS, prompt_of_N, limit)
        return SharingRows(step, memory, distinct.position_D[prompt_of_N]), distinct.logits_DV[prompt_of_N]
    read = distinct.copied(policy.cpu_speed)
    return CachedRows.behind(policy, read, limit, step), read.logits_NV


@dataclass
class SharingRows:
    """Rows that share the keys and values of their prompts."""

    step: speed.DecodeStep
    memory: speed.SharedPrompts
    position_N: torch.Tensor

    def keep(self, rows: torch.Tensor) -> None:
        self.memory.keep(rows)
        self.position_N = self.position_N[rows]

    def advance(self, token_N: torch.Tensor) -> torch.Tensor:
        self.memory.advance()
        self.position_N = self.position_N + 1
        return self.step(token_N, self.position_N, self.memory)


@dataclass
class CachedRows:
    """The rows' cache, and a mask (N, S) with room for every token to come. `step` reads in place of the model."""

    policy: Policy
    cache: DynamicCache
    mask_NS: torch.Tensor
    position_N: torch.Tensor
    filled: int
    step: speed.DecodeStep | None = None

    @classmethod
    def behind(cls, policy: Policy, read: Prefill, limit: int, step: speed.DecodeStep | None = None) -> "CachedRows":
        """Make rows from prompts that were read."""
        mask_NS = torch.nn.functional.pad(read.mask_NS, (0, limit), value=1)
        return cls(policy, read.cache, mask_NS, read.position_N, read.mask_NS.shape[1], step)

    def keep(self, rows: torch.Tensor) -> None:
        self.cache.reorder_cache(rows)
        self.mask_NS, self.position_N = self.mask_NS[rows], self.position_N[rows]

    def advance(self, token_N: torch.Tensor) -> torch.Tensor:
        self.position_N, self.filled = self.position_N + 1, self.filled + 1
        mask_NS = self.mask_NS[:, : self.filled]
        if self.step is not None:
            return self.step(token_N, self.position_N, speed.CopiedPrompts(self.cache, mask_NS))
        output = self.policy.forward(
            input_ids=token_N.unsqueeze(1),
            attention_mask=mask_NS,
            position_ids=self.position_N.unsqueeze(1),
            past_key_values=self.cache,
        )
        logits_NV: torch.Tensor = output.logits[:, -1]
        return logits_NV


@dataclass
class WholeRows:
    """The rows' token ids.

    Every token costs a pass over each row, in batches of one length and so without padding.
    """

    policy: Policy
    rows: list[torch.Tensor]

    def keep(self, rows: torch.Tensor) -> None:
        self.rows = [self.rows[row] for row in rows.tolist()]

    def advance(self, token_N: torch.Tensor) -> torch.Tensor:
        self.rows = [torch.cat([ids, token.view(1)]) for ids, token in zip(self.rows, token_N, strict=True)]
        return self.logits()

    def logits(self) -> torch.Tensor:
        """Compute the logits after the last token of each row, (N, V)."""
        rows_of: dict[int, list[int]] = {}
        for row, ids in enumerate(self.rows):
            rows_of.setdefault(len(ids), []).append(row)
        found: list[torch.Tensor] = [torch.empty(0)] * len(self.rows)
        for rows in rows_of.values():
            # Completions of one prompt are the same row until the first of them differs.
            distinct_DS, row_of = torch.unique(
                torch.stack([self.rows[row] for row in rows]), dim=0, return_inverse=True
            )
            logits_DV = self.policy.plain_logits(distinct_DS, 1)[:, -1]
            for row, distinct in zip(rows, row_of.tolist(), strict=True):
                found[row] = logits_DV[distinct]
        return torch.stack(found)
