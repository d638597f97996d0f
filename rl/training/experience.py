"""A step's completions as arrays, which its gradient steps read and none of them changes.

Dimension suffixes: N completions of a step, T completion positions (padded right).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from envs.episode import Episode, FreeScenario
from rl.algorithms.advantages import Array, Mask
from rl.algorithms.losses import kl_estimates
from rl.algorithms.policy_gradient import PolicyGradient, TokenAdvantages
from rl.policy.logprobs import completion_logprobs, passes
from rl.policy.trunk import Trunk, common_trunk
from rl.training.components import StepComponents
from rl.training.learner import Learner, critic_values
from rl.training.rollouts import Rollouts
from rl.training.settings import StepSettings


@dataclass(frozen=True)
class Experience:
    """The completions of a step with log-probabilities in nats, values and advantages, each (N, T).

    `completion_NT` marks every sampled token, `loss_mask_NT` every token in the loss. `values_NT` holds the critic's
    values and `kl_NT` the KL estimates at sampling time, the latter where the penalty is in the reward. A field is None
    where the algorithm lacks it. `trunk` holds the output of the frozen layers that the policy has of the reference.
    """

    episodes: Sequence[Episode[FreeScenario]]
    completion_NT: Mask
    loss_mask_NT: Mask
    sampled_logprobs_NT: Array
    reference_logprobs_NT: Array | None
    values_NT: Array | None
    kl_NT: Array | None
    advantages: TokenAdvantages
    trunk: Trunk | None = None


def gather(
    settings: StepSettings, algorithm: PolicyGradient, components: StepComponents, learner: Learner, rollouts: Rollouts
) -> Experience:
    """Read the rollouts once with the reference and the critic, if any, and compute every token's advantage."""
    episodes = rollouts.episodes
    width = max(len(episode.completion_ids) for episode in episodes)
    completion_NT = _padded([np.ones(len(e.completion_ids), np.bool_) for e in episodes], width, np.bool_)
    loss_mask_NT = _padded([components.loss_mask(episode) for episode in episodes], width, np.bool_)
    sampled_logprobs_NT = _padded([episode.logprobs for episode in episodes], width, np.float64)
    reference_logprobs_NT = values_NT = kl_NT = trunk = None
    if algorithm.kl_weight > 0:
        trunk = common_trunk(learner.policy, learner.reference)
        size, temperature = settings.optimiser.microbatch_size, settings.sampling.temperature
        reference_logprobs_NT = completion_logprobs(learner.reference, episodes, size, temperature, trunk)
    if learner.critic is not None:
        values_NT = _values(settings, learner, learner.critic, episodes, width)
    if reference_logprobs_NT is not None and algorithm.kl_in == "reward":
        kl_NT = kl_estimates(
            torch.from_numpy(sampled_logprobs_NT),
            torch.from_numpy(reference_logprobs_NT),
            torch.from_numpy(completion_NT),
            algorithm.kl_estimator,
        ).numpy()
    masked_kl_NT = None if kl_NT is None else np.where(loss_mask_NT, kl_NT, 0.0)
    advantages = algorithm.token_advantages(rollouts.rewards_PG, masked_kl_NT, values_NT, loss_mask_NT)
    return Experience(
        episodes,
        completion_NT,
        loss_mask_NT,
        sampled_logprobs_NT,
        reference_logprobs_NT,
        values_NT,
        kl_NT,
        advantages,
        trunk,
    )


def _padded(rows: Sequence[NDArray[Any]], width: int, dtype: type[Any]) -> NDArray[Any]:
    padded = np.zeros((len(rows), width), dtype=dtype)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = row
    return padded


@torch.no_grad()
def _values(
    settings: StepSettings,
    learner: Learner,
    critic: torch.nn.Linear,
    episodes: Sequence[Episode[FreeScenario]],
    width: int,
) -> Array:
    """Compute the critic's value before each completion token, (N, T)."""
    values_NT = np.zeros((len(episodes), width))
    for read in passes(learner.policy, episodes, range(len(episodes)), settings.optimiser.microbatch_size, hidden=True):
        assert read.hidden_BTH is not None
        values_BT = critic_values(critic, read.hidden_BTH).cpu().numpy()
        values_NT[read.rows, : values_BT.shape[1]] = values_BT
    return values_NT
