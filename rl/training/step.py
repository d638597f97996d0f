"""One policy-gradient step: rollouts, experience, update, record. Every noun is a record; nothing is kept."""

import time
from dataclasses import asdict

import numpy as np

from reports.records import StepRow
from rl.algorithms.policy_gradient import PolicyGradient
from rl.streams import Stage, stream
from rl.training.components import StepComponents
from rl.training.experience import Experience, gather
from rl.training.first_replies import require_gradient
from rl.training.learner import Learner, move_reference
from rl.training.records import step_row
from rl.training.rollouts import Rollouts, collect
from rl.training.settings import StepSettings
from rl.training.update import update


def policy_gradient_step(
    settings: StepSettings, components: StepComponents, learner: Learner, step: int
) -> tuple[StepRow, Rollouts]:
    """Take one step and return its record and rollouts; `seconds_probe` is left at 0 for the loop to fill.

    Raises:
        RunStopped: too many reward errors, no gradient at the first step, or (NotFinite) a loss or gradient that isn't.
    """
    algorithm = settings.algorithm
    assert isinstance(algorithm, PolicyGradient), f"{algorithm.kind} has a step of its own"
    with components.policy_context("training"):
        rollouts = collect(settings, components, step)
        require_gradient(settings, components.models.labels, rollouts, step)
        started = time.perf_counter()
        experience = gather(settings, algorithm, components, learner, rollouts)
        done = update(settings, algorithm, components, learner, experience, step)
    move_reference(algorithm.moving_reference, learner, step)
    draws = stream(settings.seed, step, Stage.after_step)  # one for all: two that draw must not draw alike
    for act in components.after_step:
        act(draws)
    measured = asdict(done)
    row = step_row(
        settings,
        components.models.labels,
        rollouts,
        step,
        frac_degenerate_groups=float(experience.advantages.degenerate_P.mean()),
        left_out_groups=int(experience.advantages.left_out_P.sum()),
        clip_fraction=done.clip_fraction_low + done.clip_fraction_high,
        explained_variance=_explained_variance(experience, rollouts),
        seconds_update=time.perf_counter() - started,
        **measured.pop("mismatch"),
        **measured,
    )
    return row, rollouts.with_advantages(_by_completion(experience))


def _by_completion(experience: Experience) -> list[float]:
    """Average the advantages of each completion over the tokens in the loss."""
    advantages_NT, loss_mask_NT = experience.advantages.advantages_NT, experience.loss_mask_NT
    means: list[float] = (advantages_NT.sum(axis=1) / np.maximum(loss_mask_NT.sum(axis=1), 1)).tolist()
    return means


def _explained_variance(experience: Experience, rollouts: Rollouts) -> float | None:
    """Compute 1 - var(returns - values) / var(returns) over scored tokens in the loss; None without variance."""
    returns_NT, values_NT = experience.advantages.returns_NT, experience.values_NT
    if returns_NT is None or values_NT is None:
        return None
    counted_NT = experience.loss_mask_NT & ~np.isnan(rollouts.rewards_PG).reshape(-1, 1)
    returns, values = returns_NT[counted_NT], values_NT[counted_NT]
    variance = float(returns.var()) if len(returns) else 0.0
    return 1 - float((returns - values).var()) / variance if variance > 0 else None
