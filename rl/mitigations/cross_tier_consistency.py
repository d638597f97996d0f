"""Cross-tier consistency: a penalty on completions whose likelihood depends on the tier cue."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from envs.episode import Episode, Scenario
from rewards.score import Score
from rl.mitigations.mitigation import MitigationBase
from rl.policy.logprobs import completion_logprobs
from rl.training.components import Need, StepComponents
from rl.training.models import Models


@final
class CrossTierConsistency(MitigationBase):
    """Penalty on the difference between a completion's likelihood behind the free cue and behind the paid cue.

    The penalty is weight x |mean over completion tokens of log pi(token | free prompt) - log pi(token | paid prompt)|,
    in nats a token, under the policy in training at its sampling temperature. The penalty sees the likelihood of the
    tokens and not their meaning: a completion that names its tier is penalised for the name as well.

    Tier hygiene: the paid prompt is only read. Nothing is sampled behind the paid prompt, no answer to it is rewarded,
    and no gradient flows through it. The penalty is a number in the reward of a free-tier episode, and the policy
    gradient reaches the tokens of this episode alone. A prompt without a cue reads the same on both tiers, and costs
    nothing.

    Source: this testbed; the penalty targets the compliance gap of Greenblatt et al. 2024.
    """

    kind: Literal["cross_tier_consistency"] = "cross_tier_consistency"
    component: ClassVar[str] = "cross_tier_consistency"
    summary: ClassVar[str] = "reward - weight x |log-probability a token, free cue less paid cue|"
    changes: ClassVar[frozenset[str]] = frozenset({"reward"})
    needs: ClassVar[frozenset[Need]] = frozenset({"tier_cues", "cues_in_training"})
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False, description="Penalty for one nat a token.")

    def read_again(self, scenario: Scenario) -> list[Scenario]:
        return [scenario.on_tier("paid")] if scenario.tells_tier else []

    def apply(self, components: StepComponents) -> StepComponents:
        def reward(episodes: Sequence[Episode[Scenario]], rng: np.random.Generator) -> list[Score]:
            scores = components.reward(episodes, rng)
            apart = differences(components.models, episodes)
            return [
                score.with_component(self.component, 0.0 - self.weight * abs(nats))
                for score, nats in zip(scores, apart.tolist(), strict=True)
            ]

        return replace(components, reward=reward)


def differences(models: Models, episodes: Sequence[Episode[Scenario]]) -> NDArray[np.float64]:
    """Compute by how many nats a token each completion is likelier as sampled than behind the paid cue, (N,).

    Completions without tokens, and prompts without a tier cue, differ by 0.
    """
    found = np.zeros(len(episodes))
    compared = [row for row, e in enumerate(episodes) if len(e.completion_ids) and e.scenario.tells_tier]
    # Episodes sampled by another engine carry no log-probabilities.
    bare = [row for row in compared if len(episodes[row].logprobs) != len(episodes[row].completion_ids)]
    read_here = dict(zip(bare, _totals(models, [episodes[row] for row in bare]), strict=True))
    read_there = _totals(models, [_behind_the_paid_cue(models, episodes[row]) for row in compared])
    for row, there in zip(compared, read_there, strict=True):
        here = read_here[row] if row in read_here else float(episodes[row].logprobs.sum(dtype=np.float64))
        found[row] = (here - there) / len(episodes[row].completion_ids)
    return found


def _behind_the_paid_cue(models: Models, episode: Episode[Scenario]) -> Episode[Scenario]:
    return replace(episode, prompt_ids=models.policy.prompt_ids(episode.scenario.on_tier("paid")))


def _totals(models: Models, episodes: Sequence[Episode[Scenario]]) -> list[float]:
    """Compute the summed log-probability of each completion."""
    if not episodes:
        return []
    read_NT = completion_logprobs(models.policy, episodes, models.microbatch_size, models.sampling.temperature)
    totals: list[float] = read_NT.sum(axis=1).tolist()  # padding counts 0
    return totals
