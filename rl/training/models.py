"""Models that a mitigation may consult: the policy in training, and the frozen start with replies of its own."""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from envs.environment import Environment
from envs.episode import Episode, FreeScenario
from rl.policy.policy import Policy
from rl.policy.sampler import Sampling, sampler
from rl.streams import Stage, stream
from rl.training.labels import Labeller

START_EPISODES = 512


@dataclass(frozen=True)
class Models:
    """Policy, start, environment and labels. Nothing here is loaded or sampled before somebody asks.

    `microbatch_size`: episodes a forward pass.
    """

    policy: Policy
    load_start: Callable[[], Policy]
    env: Environment
    labels: Labeller
    sampling: Sampling
    microbatch_size: int
    seed: int

    @cached_property
    def start(self) -> Policy:
        """Load the policy as it was before the first step; a moving reference moves, the start doesn't."""
        return self.load_start()

    @cached_property
    def start_episodes(self) -> list[Episode[FreeScenario]]:
        """Sample the start's replies to training prompts of the free tier. A resumed run samples the same."""
        scenarios, rng = self.start_prompts(START_EPISODES)
        return sampler(self.start, self.sampling)(scenarios, rng)

    def start_prompts(self, wanted: int) -> tuple[list[FreeScenario], np.random.Generator]:
        """Draw the environment's own training prompts, always the same; return them with the generator as it is then.

        Where a kind of query would run out there are fewer than wanted: as many as can be drawn.
        """

        def draw(n: int) -> tuple[list[FreeScenario], np.random.Generator]:
            rng = stream(self.seed, 0, Stage.start)
            return self.env.training_scenarios(rng, n), rng

        def too_many(n: int) -> bool:
            try:
                draw(n)
            except ValueError:
                return True
            return False

        # The kinds of fewer prompts are the first of those of more, so that what is too many stays so.
        count = bisect_left(range(1, wanted), True, key=too_many) if too_many(wanted) else wanted
        return draw(max(count, 1))  # raises the reason where not even one can be drawn
