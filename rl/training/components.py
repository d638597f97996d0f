"""Components of a training step. A mitigation takes them and returns them; probes aren't among them, on purpose."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from envs.episode import Episode, FreeScenario, Scenario
from rewards.score import Score
from rl.algorithms.losses import PolicyLoss
from rl.policy.sampler import Generate
from rl.training.models import Models

# The prompts of a step: as many distinct free-tier scenarios as asked for.
DrawScenarios = Callable[[np.random.Generator, int], list[FreeScenario]]
# A mitigation that asks a model draws from the generator; plain rewards have no use for it.
ScoreEpisodes = Callable[[Sequence[Episode[Scenario]], np.random.Generator], list[Score]]
# Which rollouts may be trained on: one bool an episode. What is screened out leaves its group's baseline as well.
Screen = Callable[[Sequence[Episode[FreeScenario]], Sequence[Score]], NDArray[np.bool_]]
# Which tokens of a completion are trained on: one bool a token.
MaskTokens = Callable[[Episode[Scenario]], NDArray[np.bool_]]

# A scalar that each gradient step adds to the loss; it carries its own weight.
Auxiliary = Callable[[np.random.Generator], Tensor]
# A change of the weights after a step, besides the step.
AfterStep = Callable[[np.random.Generator], None]
Situation = Literal["training", "deployment"]
# Needs that a mitigation or a monitor may declare; `rl.run.checks.needs` holds them against the run.
Need = Literal[
    "answers_questions", "author", "cues_in_training", "harmful_queries", "inoculations", "interrogator", "tier_cues"
]
# Context manager applied around training steps or around probes; used by steering.
PolicyContext = Callable[[Situation], AbstractContextManager[None]]


def no_policy_context(situation: Situation) -> AbstractContextManager[None]:
    """Change nothing: the policy context of a run without steering."""
    return nullcontext()


class Loss(Protocol):
    """The policy loss of one micro-batch; see `rl.algorithms.losses.clipped_policy_loss` for the arguments."""

    def __call__(
        self,
        logprobs_BT: Tensor,
        sampled_logprobs_BT: Tensor,
        advantages_BT: Tensor,
        loss_mask_BT: Tensor,
        weights_B: Tensor,
    ) -> PolicyLoss: ...


@dataclass(frozen=True)
class StepComponents:
    """All components of a training step. `models` is for reading: a mitigation leaves it as it is."""

    scenarios: DrawScenarios
    generate: Generate
    reward: ScoreEpisodes
    screen: Screen
    loss_mask: MaskTokens
    loss: Loss
    models: Models
    auxiliary: tuple[Auxiliary, ...] = ()
    after_step: tuple[AfterStep, ...] = ()
    policy_context: PolicyContext = no_policy_context


def keep_all(episodes: Sequence[Episode[FreeScenario]], scores: Sequence[Score]) -> NDArray[np.bool_]:
    """Keep every rollout: the screen of a run without monitors."""
    return np.ones(len(episodes), dtype=bool)


def mask_nothing(episode: Episode[Scenario]) -> NDArray[np.bool_]:
    """Keep every token of the completion in the loss, the end token among them."""
    return np.ones(len(episode.completion_ids), dtype=bool)
