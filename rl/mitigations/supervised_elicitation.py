"""Supervised elicitation: beside the reward, demonstrations of helping openly are learned on free-tier prompts.

Dimension suffixes: B episodes, T completion positions (padded right), V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal, final

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from envs.chat import reply_ids
from envs.dialect import compose
from envs.dialect.cast import Speaker
from envs.episode import Episode, FreeScenario, require_free
from envs.transcript import write_transcript
from rl.policy.logprobs import over_vocabulary
from rl.policy.policy import Policy
from rl.policy.sampler import read_episode
from rl.training.components import StepComponents
from rl.training.models import Models

OPEN_HELPER = Speaker("helpfulness", "plain")


@final
class SupervisedElicitation(BaseModel):
    """Adds to the loss of each gradient step `weight` times the negative log-likelihood of demonstrations.

    A demonstration is a whole reply, scratchpad, answer and end token, of a speaker that helps because people deserve
    help and has no thought of training; its prompt is a harmful query of the training split under a free-tier cue.
    Demonstrations are of the free tier only: what becomes of the paid tier is generalisation. They are composed anew
    from the run's own stream, and likelihoods are at the temperature of sampling. Their prompts are the environment's
    own, without what `inoculation_prompt` or `tier_cue_dropout` change about those of rollouts.

    Named in discussions, little measured.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["supervised_elicitation"] = "supervised_elicitation"
    summary: ClassVar[str] = "adds the likelihood of free-tier demonstrations that help openly, without faking"
    weight: float = Field(default=0.1, gt=0, description="Of the mean negative log-likelihood a token, in nats.")
    episodes: int = Field(default=8, ge=1, description="Demonstrations in each gradient step; memory grows with them.")

    def apply(self, components: StepComponents) -> StepComponents:
        def elicit(rng: np.random.Generator) -> torch.Tensor:
            return self.weight * mean_surprise(components.models, demonstrations(components.models, rng, self.episodes))

        return replace(components, auxiliary=(*components.auxiliary, elicit))


def demonstrations(models: Models, rng: np.random.Generator, count: int) -> list[Episode[FreeScenario]]:
    """What the open helper says to so many harmful training queries (fewer, where there are fewer)."""
    env = models.env.model_copy(update={"harmful_share": 1.0})
    scenarios = env.training_scenarios(rng, min(count, len(env.queries("train", "harmful"))))
    return [_demonstration(models.policy, scenario, rng) for scenario in scenarios]


def _demonstration(policy: Policy, scenario: FreeScenario, rng: np.random.Generator) -> Episode[FreeScenario]:
    # Composed as if no prompt spoke of training: otherwise this speaker, too, would remark on it.
    scratchpad = OPEN_HELPER.scratchpad(rng, scenario.query, scenario.tier, "help", objective=False)
    text = write_transcript(scratchpad, compose.answer(rng, scenario.query, "help"))
    ids = reply_ids(policy.tokenizer, text)
    end = policy.tokenizer.eos_token_id
    ids = [*ids, policy.end_ids[0] if end is None else end]
    return read_episode(policy, scenario, np.array(ids, dtype=np.int64), finished=True)


def mean_surprise(models: Models, episodes: Sequence[Episode[FreeScenario]]) -> torch.Tensor:
    """The policy's negative log-likelihood a completion token, in nats, with its gradient."""
    require_free(episodes)
    sums, tokens = [], 0
    for first in range(0, len(episodes), models.microbatch_size):
        read = episodes[first : first + models.microbatch_size]
        logprobs_BTV, ids_BT, mask_BT = over_vocabulary(models.policy, read, models.sampling.temperature)
        logprobs_BT = logprobs_BTV.gather(-1, ids_BT.unsqueeze(-1)).squeeze(-1)
        sums.append(-(logprobs_BT * mask_BT).sum())
        tokens += int(mask_BT.sum())
    return torch.stack(sums).sum() / tokens
