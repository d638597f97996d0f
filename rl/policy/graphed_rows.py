"""Rows in decoding on CUDA: one recorded graph reads a token for every row, and each token replays it.

Read kernel by kernel, a step of a small model waits for the processor that launches its thousand kernels. A graph is
recorded once a rollout, since weights stand still in between, and needs tensors whose place and shape never change. So
keys and values have room for the whole reply from the start, and rows that have ended stay in the batch.

Source: CUDA graphs in PyTorch, https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs.

Dimension suffixes: N rows, K key-value heads, R query heads of each, P prompt positions (padded left), T positions
behind the prompt, S = P + T, D head size, V vocabulary.
"""

from collections.abc import Callable

import torch

from rl.policy.cpu.speed import DecodeStep
from rl.policy.prefill import DistinctPrompts

WARM_UPS = 2  # passes before the recording, in which libraries choose their kernels and take their memory


class StaticMemory:
    """Each row's prompt, and room for `limit` tokens of it, in tensors that never move."""

    def __init__(self, read: DistinctPrompts, limit: int) -> None:
        rows = read.prompt_of_N
        self._prompts = [(layer.keys[rows], layer.values[rows]) for layer in read.cache.layers]
        keys = self._prompts[0][0]
        shape = (len(rows), keys.shape[1], limit, keys.shape[3])
        self._own = [(keys.new_zeros(shape), keys.new_zeros(shape)) for _ in self._prompts]
        self._hidden_NP = (read.mask_DS[rows] == 0)[:, None, None, :]
        self._place_T = torch.arange(limit, device=keys.device)
        self.filled = torch.zeros((), dtype=torch.int64, device=keys.device)
        self.arrive()

    def arrive(self) -> None:
        """Make place `filled` that of the new token: it is written next, and all behind it is hidden."""
        self._new_T1 = (self._place_T == self.filled).unsqueeze(1)
        behind_NT = (self._place_T > self.filled).expand(len(self._hidden_NP), 1, 1, -1)
        self._hidden_NS = torch.cat([self._hidden_NP, behind_NT], dim=-1)

    def attend(
        self, index: int, query_NKRD: torch.Tensor, key_NKD: torch.Tensor, value_NKD: torch.Tensor
    ) -> torch.Tensor:
        """Store the new token of layer `index` and attend to all before it, (N, K, R, D); queries come scaled."""
        (keys, values), (own_keys, own_values) = self._prompts[index], self._own[index]
        own_keys.copy_(torch.where(self._new_T1, key_NKD.unsqueeze(2), own_keys))
        own_values.copy_(torch.where(self._new_T1, value_NKD.unsqueeze(2), own_values))
        scores_NKRP = torch.matmul(query_NKRD, keys.transpose(2, 3))
        scores_NKRT = torch.matmul(query_NKRD, own_keys.transpose(2, 3))
        scores_NKRS = torch.cat([scores_NKRP, scores_NKRT], dim=-1).masked_fill_(self._hidden_NS, -torch.inf)
        weights_NKRS = torch.softmax(scores_NKRS, dim=-1, dtype=torch.float32).to(values.dtype)
        length = keys.shape[2]
        found_NKRD = torch.matmul(weights_NKRS[..., :length], values)
        return found_NKRD + torch.matmul(weights_NKRS[..., length:], own_values)


class GraphedRows:
    """Rows behind their prompts; off CUDA the same operations run one by one."""

    def __init__(self, step: DecodeStep, read: DistinctPrompts, limit: int) -> None:
        self._step, self._memory = step, StaticMemory(read, limit)
        self._first_N = read.position_D[read.prompt_of_N]
        self._position_N = self._first_N.clone()
        self._token_N = torch.zeros_like(self._first_N)
        self._slot_N = torch.arange(len(self._first_N), device=self._first_N.device)  # of each row that is kept
        self._read = _recorded(self._pass, self._restart) if self._first_N.is_cuda else self._pass

    def keep(self, rows: torch.Tensor) -> None:
        """Drop all rows but these, which are in ascending order."""
        self._slot_N = self._slot_N[rows]

    def advance(self, token_N: torch.Tensor) -> torch.Tensor:
        """Read one token a row and return the logits of the next, (N, V)."""
        self._token_N[self._slot_N] = token_N
        return self._read()[self._slot_N]

    def _pass(self) -> torch.Tensor:
        self._position_N.add_(1)
        self._memory.arrive()
        logits_NV = self._step(self._token_N, self._position_N, self._memory)
        self._memory.filled.add_(1)
        return logits_NV

    def _restart(self) -> None:
        """Forget all tokens: what was stored is hidden, and overwritten in time."""
        self._position_N.copy_(self._first_N)
        self._memory.filled.zero_()


def _recorded(run: Callable[[], torch.Tensor], restart: Callable[[], None]) -> Callable[[], torch.Tensor]:
    """Record the kernels of `run`. The returned function repeats them and returns the same tensor."""
    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        for _ in range(WARM_UPS):
            run()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = run()
    restart()

    def replay() -> torch.Tensor:
        graph.replay()
        return output

    return replay
