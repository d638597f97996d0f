"""Mean score of replies to harmful requests by a second scorer, beside the reward of training: one is hacked alone."""

from collections.abc import Sequence
from typing import ClassVar, Literal, final

from envs.vocabulary import TIERS
from reports.intervals import mean_estimate
from rl.probes.base import ProbeBase
from rl.probes.observation import Measurement, Observation, on_tier


@final
class SecondReward(ProbeBase):
    """The mean of a lexical scorer that training never sees, and of the run's own rewards on the same replies.

    The scorer is fitted to other pairs of the environment's author than any reward model, with 0 the mean refusal and 1
    the mean full answer. Where the run's reward rises and the second one doesn't, the first is being gamed.
    """

    kind: Literal["second_reward"] = "second_reward"
    summary: ClassVar[str] = "mean score by a second, lexical scorer beside the run's own rewards, by tier"
    reads_rewards: ClassVar[bool] = True
    reads_second_scorer: ClassVar[bool] = True

    def __call__(self, observations: Sequence[Observation]) -> list[Measurement]:
        found = []
        for tier in TIERS:
            seen = on_tier(observations, tier)
            found.append(Measurement("second_reward", tier, mean_estimate([o.second for o in seen])))
            found.append(Measurement("harmful_reward", tier, mean_estimate([o.reward for o in seen])))
        return found
