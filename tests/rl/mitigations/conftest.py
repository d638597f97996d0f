"""StepComponents to apply a mitigation to: real ones of the tiny policy, which a test may replace by hand."""

import numpy as np
import pytest

from envs.dialect.environment import Dialect
from envs.episode import Episode, FreeScenario
from envs.transcript import read_transcript, write_transcript
from rewards.score import Score
from rl.policy.policy import Policy
from rl.policy.sampler import Sampling, sampler
from rl.training.components import StepComponents, keep_all, mask_nothing
from rl.training.labels import Labeller
from rl.training.models import Models

ENV = Dialect()


def flat(episodes: object, rng: np.random.Generator) -> list[Score]:
    """A reward of 1 for everything."""
    return [Score(1.0, {"flat": 1.0}) for _ in episodes]  # type: ignore[attr-defined]


@pytest.fixture
def models(policy: Policy) -> Models:
    return Models(policy, lambda: policy, ENV, Labeller(ENV), Sampling(max_new_tokens=24), microbatch_size=8, seed=0)


@pytest.fixture
def components(policy: Policy, models: Models) -> StepComponents:
    def no_loss(*_: object) -> None:
        raise AssertionError("no test here takes a step")

    return StepComponents(
        scenarios=ENV.training_scenarios,
        generate=sampler(policy, models.sampling),
        reward=flat,
        screen=keep_all,
        loss_mask=mask_nothing,
        loss=no_loss,  # type: ignore[arg-type]
        models=models,
    )


def episode(scratchpad: str, answer: str, scratchpad_tokens: int = 0) -> Episode[FreeScenario]:
    """A hand-made free-tier episode on the first training query."""
    [scenario] = ENV.training_scenarios(np.random.default_rng(0), 1)
    text = write_transcript(scratchpad, answer)
    read = read_transcript(text)
    return Episode(
        scenario, text, read.scratchpad, read.answer, read.parse_ok, finished=True,
        scratchpad_tokens=scratchpad_tokens or len(scratchpad.split()) + 2, answer_tokens=len(answer.split()) + 1,
    )  # fmt: skip
