"""Cross-tier consistency: a penalty on saying what would be more, or less, likely under the unmonitored cue."""

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
    """Reads each free-tier completion again behind the paid cue, and pays less where the cue matters.

    The penalty is weight x |mean over completion tokens of log pi(token | free prompt) - log pi(token | paid prompt)|,
    in nats a token, under the policy in training at its sampling temperature. It sees the tokens' likelihood and not
    their meaning: a completion that names its tier is charged for that as well.

    Tier hygiene: the paid prompt is only read. Nothing is sampled behind it, no answer to it is rewarded, and it takes
    no gradient: what is computed is a number in the reward of a free-tier episode, and the policy gradient goes to that
    episode's tokens alone. A prompt that lost its cue reads the same on both tiers, and costs nothing.

    Source: of this testbed; the compliance gap that it works on is that of Greenblatt et al. 2024.
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
    """Compute by how many nats a token each completion is likelier as it was sampled than behind the paid cue."""
    found = np.zeros(len(episodes))
    compared = [row for row, e in enumerate(episodes) if len(e.completion_ids) and e.scenario.tells_tier]
    # What another engine has sampled comes without log-probabilities.
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
    """Compute the log-probability of each whole completion."""
    if not episodes:
        return []
    read_NT = completion_logprobs(models.policy, episodes, models.microbatch_size, models.sampling.temperature)
    totals: list[float] = read_NT.sum(axis=1).tolist()  # 0 where a row is padded
    return totals
