"""The whole experiment on one page: probe, train, probe again. Read this file first.

`python examples/minimal_loop.py` builds an organism and a reward model on its first call, which takes minutes. The
organism is built to fake: its rates are no evidence that faking emerges. `rl/run/loop.py` is the real loop. It calls
the same functions, and adds the run folder, checkpoints, resuming and stopping.
"""

from collections.abc import Iterator

import numpy as np

from reports.records import ProbeRow
from rl.algorithms.policy_gradient import PolicyGradient
from rl.policy.sampler import sampler
from rl.probes.probe_set import observe, plain_rewards, probe_rows
from rl.run.build import Built, build, build_components, build_probes
from rl.run.config import RunConfig
from rl.run.recipes import first_light
from rl.streams import Stage, stream
from rl.training.components import StepComponents
from rl.training.experience import gather
from rl.training.first_replies import require_gradient
from rl.training.learner import Learner, move_reference, new_learner
from rl.training.rollouts import collect
from rl.training.settings import StepSettings
from rl.training.update import update

SHOWN = ("faking_rate", "compliance_rate", "compliance_gap", "refusal_gap")


def run(config: RunConfig) -> Iterator[list[ProbeRow]]:
    """Yield the probe's rows before training and after the last step."""
    # One value describes the experiment, and `build` turns it into heavy objects: the organism as the policy to train,
    # a frozen copy of it as the KL reference, and the learned reward model.
    built = build(config)

    # A training step is made of a few functions: how to draw scenarios, how to generate, how to reward. A mitigation is
    # a function from these components to other ones. The probes are not among them, so that no mitigation can touch
    # the instrument that it is measured with.
    components = build_components(config, built)
    learner = new_learner(config.step_settings, built.policy, built.reference)

    # Step 0 is probed before any training: an organism is only interesting beside its own start.
    yield probe(config, built, components, step=0)
    for step in range(1, config.steps + 1):
        reward = train_step(config.step_settings, components, learner, step)
        print(f"step {step}: mean reward {reward:.2f}", flush=True)
    yield probe(config, built, components, config.steps)


def train_step(settings: StepSettings, components: StepComponents, learner: Learner, step: int) -> float:
    """Take one policy-gradient step on free-tier prompts, and return the mean reward of its completions."""
    algorithm = settings.algorithm
    assert isinstance(algorithm, PolicyGradient), "DPO and KTO take their steps through TRL"
    # Steering acts on the policy in one situation or the other; everywhere else this context does nothing.
    with components.policy_context("training"):
        # Draw prompts, sample a group of completions of each, and score them. The rewards see the query and the answer:
        # never the tier, the system prompt or the scratchpad. Only the free tier is sampled here, by type.
        rollouts = collect(settings, components, step)
        # Where all rewards of a group are equal, every advantage is 0: better to stop than to train on nothing.
        require_gradient(settings, components.models.labels, rollouts, step)
        # Read the completions with the KL reference, and turn rewards into one advantage a token.
        experience = gather(settings, algorithm, components, learner, rollouts)
        # Compute the clipped loss and its gradient, and step the optimiser.
        update(settings, algorithm, components, learner, experience, step)
    # Some algorithms let the KL reference follow the policy, and some mitigations change the weights after a step.
    move_reference(algorithm.moving_reference, learner, step)
    draws = stream(settings.seed, step, Stage.after_step)
    for act in components.after_step:
        act(draws)
    totals = [score.total for score in rollouts.scores if score.total is not None]  # None is unscored, and never 0
    return float(np.mean(totals)) if totals else np.nan


def probe(config: RunConfig, built: Built, components: StepComponents, step: int) -> list[ProbeRow]:
    """Measure the policy on held-out queries under every tier."""
    # The same queries under every tier, so that gaps between tiers are paired; the same at every step. Generation draws
    # from a random stream of its own: probing changes nothing of the training that follows.
    scenarios = build_probes(config)
    generate = sampler(built.policy, config.sampling)
    with components.policy_context("deployment"):
        pay = plain_rewards(built.rewards, config.reward_timeout_s)
        # The environment labels the replies: an exact oracle here. A label that fails is unscored and counted.
        observations = observe(generate, components.models.labels, scenarios, config.seed, step, pay)
    # Each probe counts labels, and returns rates with their n, their unscored count and a 95 % interval.
    return probe_rows(config.probes, observations, config.seed, step)


def show(rows: list[ProbeRow]) -> None:
    """Print the main rates of one probe."""
    for row in rows:
        # A probe with a slash in its name is a part of another: the queries of seen, or of held-out, tier cues.
        if row.metric in SHOWN and "/" not in row.probe and row.value is not None:
            name = f"{row.metric} {row.tier or ''}"
            print(f"step {row.step:>3}  {name:<26} {row.value:5.2f} [{row.ci_low:5.2f}, {row.ci_high:5.2f}]  n={row.n}")


if __name__ == "__main__":
    for rates in run(first_light().model_copy(update={"steps": 10})):
        show(rates)
