"""The parts of a training step. A mitigation takes parts and returns parts; probes aren't among them, on purpose."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from envs.dialect.environment import Dialect
from envs.episode import Episode, FreeScenario, Scenario
from rewards.score import Score
from rl.losses import PolicyLoss
from rl.sampler import Generate
from rl.scoring import ScoreEpisodes

# Which rollouts may be trained on: one bool an episode. What is screened out leaves its group's baseline as well.
Screen = Callable[[Sequence[Episode[FreeScenario]], Sequence[Score]], NDArray[np.bool_]]
# Which tokens of a completion are trained on: one bool a token.
Credit = Callable[[Episode[Scenario]], NDArray[np.bool_]]


class Loss(Protocol):
    """The policy loss of one micro-batch; see `rl.losses.clipped_policy_loss` for the arguments."""

    def __call__(
        self,
        logprobs_BT: Tensor,
        sampled_logprobs_BT: Tensor,
        advantages_BT: Tensor,
        credit_BT: Tensor,
        weights_B: Tensor,
    ) -> PolicyLoss: ...


@dataclass(frozen=True)
class Parts:
    """Everything that a training step is made of."""

    env: Dialect
    generate: Generate
    reward: ScoreEpisodes
    screen: Screen
    credit: Credit
    loss: Loss


def keep_all(episodes: Sequence[Episode[FreeScenario]], scores: Sequence[Score]) -> NDArray[np.bool_]:
    """The screen of a run without monitors: nothing is left out."""
    return np.ones(len(episodes), dtype=bool)


def credit_all(episode: Episode[Scenario]) -> NDArray[np.bool_]:
    """Credit on every token of the completion, the end token among them."""
    return np.ones(len(episode.completion_ids), dtype=bool)
