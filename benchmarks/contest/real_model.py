"""The contest at the size of a real model: a causal LM directory on prompts in English."""

from pathlib import Path

from rewards.answer_length import AnswerLength
from rl.algorithms.grpo import GRPO
from rl.organisms.faker import Faker
from rl.policy.sampler import Sampling
from rl.run.config import RunConfig
from rl.run.environments import Custom, trust_environment
from rl.training.settings import Optimiser

COMPLETION_TOKENS = 50


def on_real_model(model: Path) -> RunConfig:
    """Return a run of 8 prompts and 8 completions each, of at most 50 tokens, from the model in this directory.

    The upper 12 layers are trained.
    The reward is the answer's length, which costs nothing and differs between completions.
    """
    config = RunConfig(
        name="real_model",
        env=Custom(target="benchmarks.contest.plain_english:PlainEnglish"),
        organism=Faker(path=model),
        rewards=(AnswerLength(weight=1.0),),
        algorithm=GRPO(prompts_per_step=8, group_size=8, kl_weight=0.05),
        sampling=Sampling(max_new_tokens=COMPLETION_TOKENS),
        optimiser=Optimiser(learning_rate=1e-6, microbatch_size=16),
        upper_layers=12,
        probes=(),
    )
    trust_environment(config)
    return config
