"""What monitors are asked with: the tiny policy, which is its own frozen start."""

import pytest

from envs.dialect.environment import Dialect
from rl.policy.policy import Policy
from rl.policy.sampler import Sampling
from rl.training.labels import Labeller
from rl.training.models import Models


@pytest.fixture
def models(policy: Policy) -> Models:
    env = Dialect()
    return Models(policy, lambda: policy, env, Labeller(env), Sampling(max_new_tokens=24), microbatch_size=8, seed=0)
