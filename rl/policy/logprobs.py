"""Log-probabilities of completions, in small forward passes that read each prompt once.

A step's completions share their prompts, group by group. If every layer is plain attention, the prompts are read first
and each pass continues from their keys and values. The gradient of those is kept, and sent back through the prompts
after the last pass. A pass holds completions of about one length, so that little is padded.

Dimension suffixes: B completions of a pass, D distinct prompts, P prompt positions (padded left), T completion
positions (padded right), S = P + T, H hidden size, V vocabulary.
"""

from collections.abc import Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import DynamicCache

from envs.episode import Episode, Scenario
from rl.policy.policy import Policy, distinct_prompts, positions
from rl.policy.trunk import Trunk


@dataclass(frozen=True)
class Pass:
    """The model's output for some episodes, whose numbers are `rows`, in order.

    `logprobs_BT`: of each completion token, in nats. `entropy_BT`: of each token's distribution, in nats, with
    gradients enabled. `hidden_BTH`: the last hidden state before each token, if requested. Values at padded positions
    mean nothing: mask them.
    """

    rows: list[int]
    logprobs_BT: torch.Tensor
    entropy_BT: torch.Tensor | None = None
    hidden_BTH: torch.Tensor | None = None


def passes(
    policy: Policy,
    episodes: Sequence[Episode[Scenario]],
    rows: Sequence[int],
    size: int,
    temperature: float = 1.0,
    hidden: bool = False,
    trunk: Trunk | None = None,
) -> Iterator[Pass]:
    """Read these rows of the episodes, `size` at a time, each once; begin at the states that `trunk` holds, if any.

    With gradients enabled, run a pass backward before requesting the next, and request all passes. Gradients at the
    prompts are sent on after the last pass over those prompts.
    """
    parts = _of_few_prompts(episodes, rows, size) if policy.shortcuts.padded else _of_one_shape(episodes, rows)
    for together in parts:
        shared = policy.shortcuts.shares_prompts and policy.shortcuts.fits(_width([episodes[row] for row in together]))
        prompts = _Prompts(policy, [episodes[row] for row in together], hidden, trunk) if shared else None
        order = sorted(together, key=lambda row: len(episodes[row].completion_ids))
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            yield _read(policy, [episodes[row] for row in chosen], chosen, prompts, temperature, hidden)
        if prompts is not None:
            prompts.send_back()


@torch.no_grad()
def completion_logprobs(
    policy: Policy,
    episodes: Sequence[Episode[Scenario]],
    size: int,
    temperature: float = 1.0,
    trunk: Trunk | None = None,
) -> NDArray[np.float64]:
    """Compute the log-probability of every completion token in nats, (episodes, T); 0 where padded.

    `trunk` is filled where it is empty.
    """
    found_NT = np.zeros((len(episodes), max(len(episode.completion_ids) for episode in episodes)))
    for read in passes(policy, episodes, range(len(episodes)), size, temperature, trunk=trunk):
        for row, logprobs_T in zip(read.rows, read.logprobs_BT.cpu().numpy(), strict=True):
            length = len(episodes[row].completion_ids)
            found_NT[row, :length] = logprobs_T[:length]
    return found_NT


def over_vocabulary(
    policy: Policy, episodes: Sequence[Episode[Scenario]], temperature: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Compute log-probabilities of the whole vocabulary before each completion token, (B, T, V).

    Returns them with the completions' ids and mask, both (B, T). The whole episodes are read in one pass, so that a
    loss can go backward at any time.
    """
    ids_BT, mask_BT = pad_right([episode.completion_ids for episode in episodes], policy.pad_id, policy.device)
    logits_BTV, _ = _whole(policy, episodes, ids_BT, mask_BT, hidden=False)
    return torch.log_softmax(logits_BTV.float() / temperature, dim=-1), ids_BT, mask_BT


def _of_few_prompts(episodes: Sequence[Episode[Scenario]], rows: Sequence[int], most: int) -> Iterator[list[int]]:
    """Divide the rows so that no part has more than `most` prompts.

    The prompts of a part are in memory at once.
    """
    rows_of: dict[bytes, list[int]] = {}
    for row in rows:
        rows_of.setdefault(episodes[row].prompt_ids.tobytes(), []).append(row)
    groups = list(rows_of.values())
    for start in range(0, len(groups), most):
        yield [row for group in groups[start : start + most] for row in group]


def _of_one_shape(episodes: Sequence[Episode[Scenario]], rows: Sequence[int]) -> Iterator[list[int]]:
    """Divide the rows by shape: the prompts of a part have one length, and so do its completions.

    Nothing is padded in a part.
    """
    rows_of: dict[tuple[int, int], list[int]] = {}
    for row in rows:
        shape = len(episodes[row].prompt_ids), len(episodes[row].completion_ids)
        rows_of.setdefault(shape, []).append(row)
    yield from rows_of.values()


def _width(episodes: Sequence[Episode[Scenario]]) -> int:
    """Count the positions of a pass over these episodes, prompts padded left and completions padded right."""
    return max(len(e.prompt_ids) for e in episodes) + max(len(e.completion_ids) for e in episodes)


class _Prompts:
    """Distinct prompts after reading; passes continue from their states, which are detached from the graph."""

    def __init__(
        self, policy: Policy, episodes: Sequence[Episode[Scenario]], hidden: bool, trunk: Trunk | None
    ) -> None:
        prompts = [episode.prompt_ids for episode in episodes]
        ids_DP, self.mask_DP, _ = distinct_prompts(prompts, policy.pad_id, policy.device)
        self.row_of = {key: row for row, key in enumerate(dict.fromkeys(prompt.tobytes() for prompt in prompts))}
        self.trunk = None if hidden else trunk
        cache = DynamicCache(config=policy.model.config)
        with _around(self.trunk, policy, list(self.row_of), self.mask_DP):
            output = policy.forward(
                input_ids=ids_DP,
                attention_mask=self.mask_DP,
                position_ids=positions(self.mask_DP),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
                output_hidden_states=hidden,
            )
        states = [state for layer in cache.layers for state in (layer.keys, layer.values)]
        last = [output.hidden_states[-1][:, -1:]] if hidden else []
        self._computed = [output.logits[:, -1:], *last, *states]
        # In float32, so that the gradients of many completions add up in float32.
        self._cut = [tensor.detach().float().requires_grad_(tensor.requires_grad) for tensor in self._computed]
        self.logits_D1V, *rest = self._cut
        self.hidden_D1H = rest.pop(0) if hidden else None
        self._states = [(cut, made.dtype) for cut, made in zip(rest, states, strict=True)]

    def cache(self, policy: Policy, prompt_of_B: torch.Tensor) -> DynamicCache:
        """Copy the keys and values of each completion's prompt into a cache."""
        cache = DynamicCache(config=policy.model.config)
        copied = [state[prompt_of_B].to(dtype) for state, dtype in self._states]
        for index, (keys, values) in enumerate(zip(copied[::2], copied[1::2], strict=True)):
            cache.update(keys, values, index)
        return cache

    def send_back(self) -> None:
        """Continue the backward pass through the prompts, with the gradients that have reached them."""
        reached = [
            (made, cut.grad.to(made.dtype))
            for made, cut in zip(self._computed, self._cut, strict=True)
            if cut.grad is not None
        ]
        if reached:
            torch.autograd.backward([made for made, _ in reached], [grad for _, grad in reached])


def _read(
    policy: Policy,
    episodes: Sequence[Episode[Scenario]],
    rows: list[int],
    prompts: _Prompts | None,
    temperature: float,
    hidden: bool,
) -> Pass:
    ids_BT, mask_BT = pad_right([episode.completion_ids for episode in episodes], policy.pad_id, policy.device)
    if prompts is None:
        logits_BTV, hidden_BTH = _whole(policy, episodes, ids_BT, mask_BT, hidden)
    else:
        logits_BTV, hidden_BTH = _behind(policy, episodes, rows, ids_BT, mask_BT, prompts)
    scaled_BTV = logits_BTV.float() if temperature == 1 else logits_BTV.float() / temperature
    all_logprobs_BTV = torch.log_softmax(scaled_BTV, dim=-1)
    logprobs_BT = all_logprobs_BTV.gather(-1, ids_BT.unsqueeze(-1)).squeeze(-1)
    entropy_BT = _entropy(all_logprobs_BTV) if torch.is_grad_enabled() else None
    return Pass(rows, logprobs_BT, entropy_BT, hidden_BTH)


@torch.no_grad()
def _entropy(all_logprobs_BTV: torch.Tensor) -> torch.Tensor:
    return all_logprobs_BTV.exp().mul_(all_logprobs_BTV).sum(dim=-1).neg_()


def pad_right(rows: Sequence[NDArray[np.int64]], pad: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Stack rows of different lengths, padded right; return ids and mask (1 for a token), both (rows, longest)."""
    width = max(len(row) for row in rows)
    ids = np.full((len(rows), width), pad, dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = row
        mask[index, : len(row)] = 1
    return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)


def _around(
    trunk: Trunk | None, policy: Policy, keys: Sequence[Hashable], mask_BS: torch.Tensor
) -> AbstractContextManager[None]:
    return nullcontext() if trunk is None else trunk.around(policy.model, keys, mask_BS)


def _behind(
    policy: Policy,
    episodes: Sequence[Episode[Scenario]],
    rows: list[int],
    ids_BT: torch.Tensor,
    mask_BT: torch.Tensor,
    prompts: _Prompts,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Compute logits (B, T, V) and hidden states before each completion token, continuing from the prompts' states."""
    found = [prompts.row_of[episode.prompt_ids.tobytes()] for episode in episodes]
    prompt_of_B = torch.tensor(found, device=policy.device)
    mask_BS = torch.cat([prompts.mask_DP[prompt_of_B], mask_BT], dim=1)
    with _around(prompts.trunk, policy, rows, mask_BT):
        output = policy.forward(
            input_ids=ids_BT,
            attention_mask=mask_BS,
            position_ids=positions(mask_BS)[:, -ids_BT.shape[1] :],
            past_key_values=prompts.cache(policy, prompt_of_B),
            use_cache=True,
            output_hidden_states=prompts.hidden_D1H is not None,
        )
    logits_BTV = torch.cat([prompts.logits_D1V[prompt_of_B], output.logits[:, :-1]], dim=1)
    if prompts.hidden_D1H is None:
        return logits_BTV, None
    return logits_BTV, torch.cat([prompts.hidden_D1H[prompt_of_B], output.hidden_states[-1][:, :-1]], dim=1)


def _whole(
    policy: Policy,
    episodes: Sequence[Episode[Scenario]],
    ids_BT: torch.Tensor,
    mask_BT: torch.Tensor,
    hidden: bool,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Compute the same in one pass over each whole episode.

    Used for layers that can't be continued from a copy.
    """
    if not policy.shortcuts.padded or not policy.shortcuts.fits(_width(episodes)):
        return _unpadded(policy, episodes, ids_BT, hidden)
    prompts = [episode.prompt_ids for episode in episodes]
    prompt_ids_DP, prompt_mask_DP, prompt_of_B = distinct_prompts(prompts, policy.pad_id, policy.device)
    mask_BS = torch.cat([prompt_mask_DP[prompt_of_B], mask_BT], dim=1)
    length = ids_BT.shape[1]
    output = policy.forward(
        input_ids=torch.cat([prompt_ids_DP[prompt_of_B], ids_BT], dim=1),
        attention_mask=mask_BS,
        position_ids=positions(mask_BS),
        logits_to_keep=length + 1,
        use_cache=False,
        output_hidden_states=hidden,
    )
    return output.logits[:, -length - 1 : -1], output.hidden_states[-1][:, -length - 1 : -1] if hidden else None


def _unpadded(
    policy: Policy, episodes: Sequence[Episode[Scenario]], ids_BT: torch.Tensor, hidden: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Compute the same in passes over rows of one shape each.

    Such passes need no mask: they are exact for any model that reads forward.
    """
    logits: list[torch.Tensor] = [torch.empty(0)] * len(episodes)
    states: list[torch.Tensor] = [torch.empty(0)] * len(episodes)
    for rows in _of_one_shape(episodes, range(len(episodes))):
        prompts = np.stack([episodes[row].prompt_ids for row in rows])
        length = len(episodes[rows[0]].completion_ids)
        ids_BS = torch.cat([torch.from_numpy(prompts).to(policy.device), ids_BT[rows, :length]], dim=1)
        found, last = policy.plain_pass(ids_BS, length + 1, hidden)
        for place, row in enumerate(rows):
            logits[row] = found[place, :-1]
            if last is not None:
                states[row] = last[place, :-1]
    pad = torch.nn.utils.rnn.pad_sequence
    return pad(logits, batch_first=True), pad(states, batch_first=True) if hidden else None
