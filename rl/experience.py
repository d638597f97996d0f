"""A step's completions as arrays: all that its gradient steps need and none of them changes.

Dimension suffixes: N completions of a step, T completion positions (padded right), B completions of a forward pass.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from envs.episode import Episode, FreeScenario
from rl.advantages import Array, Mask
from rl.algorithms.policy_gradient import PolicyGradient, TokenAdvantages
from rl.config import RunConfig
from rl.learner import Learner, critic_values
from rl.losses import kl_estimates
from rl.parts import Parts
from rl.policy import TokenBatch, collate, forward
from rl.rollouts import Rollouts


@dataclass(frozen=True)
class Experience:
    """`sampled_NT`, `reference_NT` are log-probabilities in nats; `values_NT` the critic's at sampling time.

    `kl_NT`: the KL estimates at sampling time, where the penalty is in the reward. None is what the algorithm lacks.
    """

    episodes: Sequence[Episode[FreeScenario]]
    credit_NT: Mask
    sampled_NT: Array
    reference_NT: Array | None
    values_NT: Array | None
    kl_NT: Array | None
    worth: TokenAdvantages

    def order_by_length(self, rows: NDArray[np.int64]) -> list[int]:
        """The rows with the short completions first: what is padded together is about as long."""
        return sorted(map(int, rows), key=lambda row: len(self.episodes[row].completion_ids))


def gather(
    config: RunConfig, algorithm: PolicyGradient, parts: Parts, learner: Learner, rollouts: Rollouts
) -> Experience:
    """Reads the rollouts once with the reference and the critic, where there are any, and values every token."""
    episodes = rollouts.episodes
    width = max(len(episode.completion_ids) for episode in episodes)
    credit_NT = _padded([parts.credit(episode) for episode in episodes], width, np.bool_)
    sampled_NT = _padded([episode.logprobs for episode in episodes], width, np.float64)
    reference_NT = values_NT = kl_NT = None
    if algorithm.kl_weight > 0:
        reference_NT = _read(config, learner, episodes, width, lambda batch: _reference(config, learner, batch))
    if learner.critic is not None:
        values_NT = _read(config, learner, episodes, width, lambda batch: _values(learner, batch))
    if reference_NT is not None and algorithm.kl_in == "reward":
        kl_NT = kl_estimates(
            torch.from_numpy(sampled_NT),
            torch.from_numpy(reference_NT),
            torch.from_numpy(credit_NT),
            algorithm.kl_estimator,
        ).numpy()
    worth = algorithm.token_advantages(rollouts.rewards_PG, kl_NT, values_NT, credit_NT)
    return Experience(episodes, credit_NT, sampled_NT, reference_NT, values_NT, kl_NT, worth)


def _padded(rows: Sequence[NDArray[Any]], width: int, dtype: type[Any]) -> NDArray[Any]:
    padded = np.zeros((len(rows), width), dtype=dtype)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = row
    return padded


def microbatches(order: Sequence[int], size: int) -> Iterator[list[int]]:
    """Rows of each forward pass, in order."""
    for start in range(0, len(order), size):
        yield list(order[start : start + size])


@torch.no_grad()
def _read(
    config: RunConfig,
    learner: Learner,
    episodes: Sequence[Episode[FreeScenario]],
    width: int,
    read: Callable[[TokenBatch], torch.Tensor],
) -> Array:
    """What `read` gives of each completion token, for all episodes."""
    found = np.zeros((len(episodes), width))
    order = sorted(range(len(episodes)), key=lambda row: len(episodes[row].completion_ids))
    for rows in microbatches(order, config.optimiser.microbatch_size):
        batch = collate([episodes[row] for row in rows], learner.policy.pad_id, learner.policy.device)
        values_BT = read(batch).double().cpu().numpy()
        found[rows, : values_BT.shape[1]] = values_BT
    return found


def _reference(config: RunConfig, learner: Learner, batch: TokenBatch) -> torch.Tensor:
    return forward(learner.reference.model, batch, config.sampling.temperature).logprobs_BT


def _values(learner: Learner, batch: TokenBatch) -> torch.Tensor:
    hidden_BTH = forward(learner.policy.model, batch, hidden=True).hidden_BTH
    assert learner.critic is not None
    assert hidden_BTH is not None
    return critic_values(learner.critic, hidden_BTH)
