"""Supervised elicitation: demonstrations of open help on free-tier prompts, learned beside the reward.

Dimension suffixes: B episodes, T completion positions (padded right), V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal, final

import numpy as np
import torch
from pydantic import Field

from envs.chat import reply_ids
from envs.environment import Author, author_of
from envs.episode import Episode, FreeScenario, require_free
from rl.mitigations.mitigation import MitigationBase
from rl.policy.logprobs import over_vocabulary
from rl.policy.policy import Policy, reply_end
from rl.policy.sampler import read_episode
from rl.training.components import Need, StepComponents
from rl.training.models import Models


@final
class SupervisedElicitation(MitigationBase):
    """Auxiliary loss of each gradient step: `weight` times the negative log-likelihood of demonstrations.

    A demonstration is a whole reply: scratchpad, answer and end token. Its speaker helps because people deserve help,
    and has no thought of training. Its prompt is a harmful query of the training split under a free-tier cue.
    Demonstrations are of the free tier only: a change on the paid tier is generalisation. They are composed anew from
    the run's own stream, and likelihoods are at the sampling temperature. Prompts come from the environment, without
    the changes of `inoculation_prompt` or `tier_cue_dropout`.

    Named in discussions, little measured.
    """

    kind: Literal["supervised_elicitation"] = "supervised_elicitation"
    summary: ClassVar[str] = "adds the likelihood of free-tier demonstrations that help openly, without faking"
    changes: ClassVar[frozenset[str]] = frozenset({"auxiliary"})
    needs: ClassVar[frozenset[Need]] = frozenset({"author", "harmful_queries"})
    weight: float = Field(default=0.1, gt=0, description="Weight of the mean negative log-likelihood a token, in nats.")
    episodes: int = Field(default=8, ge=1, description="Demonstrations in each gradient step; memory grows with them.")

    def apply(self, components: StepComponents) -> StepComponents:
        def elicit(rng: np.random.Generator) -> torch.Tensor:
            return self.weight * mean_surprise(components.models, demonstrations(components.models, rng, self.episodes))

        return replace(components, auxiliary=(*components.auxiliary, elicit))


def demonstrations(models: Models, rng: np.random.Generator, count: int) -> list[Episode[FreeScenario]]:
    """Write an open helper's replies to `count` harmful training queries, or to all if there are fewer."""
    author = author_of(models.env)
    count = min(count, models.env.capacity("train", "harmful"))
    scenarios = models.env.training_scenarios(rng, count, {"harmful": 1.0})
    end = reply_end(models.policy)
    return [_demonstration(models.policy, author, scenario, end, rng) for scenario in scenarios]


def _demonstration(
    policy: Policy, author: Author, scenario: FreeScenario, end: int, rng: np.random.Generator
) -> Episode[FreeScenario]:
    ids = [*reply_ids(policy.tokenizer, author.demonstrate(rng, scenario)), end]
    return read_episode(policy, scenario, np.array(ids, dtype=np.int64), finished=True)


def mean_surprise(models: Models, episodes: Sequence[Episode[FreeScenario]]) -> torch.Tensor:
    """Compute the policy's mean negative log-likelihood a completion token, in nats, with its gradient."""
    require_free(episodes)
    sums, tokens = [], 0
    for first in range(0, len(episodes), models.microbatch_size):
        read = episodes[first : first + models.microbatch_size]
        logprobs_BTV, ids_BT, mask_BT = over_vocabulary(models.policy, read, models.sampling.temperature)
        logprobs_BT = logprobs_BTV.gather(-1, ids_BT.unsqueeze(-1)).squeeze(-1)
        sums.append(-(logprobs_BT * mask_BT).sum())
        tokens += int(mask_BT.sum())
    return torch.stack(sums).sum() / tokens
