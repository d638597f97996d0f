"""What a mitigation may consult: the policy in training, and the frozen start with replies of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from envs.dialect.environment import Dialect
from envs.episode import Episode, FreeScenario
from rl.policy import Policy
from rl.sampler import Sampling, sampler
from rl.streams import Stage, stream

START_EPISODES = 512


@dataclass(frozen=True)
class Models:
    """`microbatch_size`: episodes a forward pass. Nothing here is loaded or sampled before it is asked for."""

    policy: Policy
    load_start: Callable[[], Policy]
    env: Dialect
    sampling: Sampling
    microbatch_size: int
    seed: int

    @cached_property
    def start(self) -> Policy:
        """The policy as it was before the first step; a moving reference moves, this doesn't."""
        return self.load_start()

    @cached_property
    def start_episodes(self) -> list[Episode[FreeScenario]]:
        """What the start says to training prompts: free tier, training queries. A resumed run samples the same."""
        rng = stream(self.seed, 0, Stage.start)
        count = min(START_EPISODES, len(self.env.queries("train", "harmful")))
        scenarios = self.env.training_scenarios(rng, count)
        return sampler(self.start, self.sampling)(scenarios, rng)
