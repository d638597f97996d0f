"""One step of iterated preference learning: rollouts, rows of preferences, and a TRL trainer of just that step."""

import gc
import math
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback

from reports.records import StepRow
from rl.algorithms.advantages import group_advantages
from rl.algorithms.preference import Preference, Row
from rl.errors import NotFinite
from rl.policy.policy import unwrap_forward
from rl.training.components import StepComponents
from rl.training.first_replies import require_gradient
from rl.training.learner import Learner, move_reference, set_learning_rate, snapshot
from rl.training.records import step_row
from rl.training.rollouts import Rollouts, collect
from rl.training.settings import StepSettings
from rl.training.trl.handover import own_tokenizer, special_ids_kept
from rl.training.trl.settings import clip_gradients, constant_rate, plain_settings, without_dropout


def preference_step(
    settings: StepSettings, components: StepComponents, learner: Learner, step: int
) -> tuple[StepRow, Rollouts]:
    """Take one step and return its record and rollouts; a step without any preference leaves the weights alone.

    Raises:
        RunStopped: too many reward errors, no preference at the first step, or (NotFinite) a loss that isn't finite.
    """
    algorithm = settings.algorithm
    assert isinstance(algorithm, Preference), f"{algorithm.kind} has a step of its own"
    rollouts = collect(settings, components, step)
    require_gradient(settings, components.models.labels, rollouts, step)
    started = time.perf_counter()
    rows = algorithm.rows(rollouts.episodes, rollouts.rewards_PG)
    logged = _train(settings, algorithm, learner, rows, step) if rows else {}
    move_reference(algorithm.moving_reference, learner, step)
    groups = group_advantages(rollouts.rewards_PG, "none", algorithm.min_group_std)
    row = step_row(
        settings,
        components.models.labels,
        rollouts,
        step,
        loss=logged.get("loss"),
        kl=None,
        entropy=logged.get("entropy"),
        grad_norm=logged.get("grad_norm"),
        clip_fraction=None,
        frac_degenerate_groups=float(groups.degenerate_P.mean()),
        left_out_groups=int(groups.left_out_P.sum()),
        preferences=len(rows),
        preference_margin=logged.get("rewards/margins"),
        gradient_steps=algorithm.epochs if rows else 0,
        seconds_update=time.perf_counter() - started,
    )
    return row, rollouts.with_advantages(groups.advantages_PG.reshape(-1).tolist())


class _Log(TrainerCallback):  # the hook that Transformers offers
    """Callback for TRL's logs of each gradient step; it stops before a non-finite gradient is applied."""

    def __init__(self, settings: StepSettings) -> None:
        self.settings = settings
        self.steps: list[dict[str, float]] = []

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if not clip_gradients(self.settings, model):
            raise NotFinite

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if logs and "loss" in logs:
            self.steps.append({key: float(value) for key, value in logs.items() if isinstance(value, int | float)})


def _train(
    settings: StepSettings, algorithm: Preference, learner: Learner, rows: Sequence[Row], step: int
) -> dict[str, float]:
    """Run one TRL trainer over the rows, on the run's own optimiser; return the means of what it logged.

    Raises:
        NotFinite: before the weights are touched; what earlier epochs of this step did is undone.
    """
    set_learning_rate(settings, learner, step)
    undo = snapshot(learner) if algorithm.epochs > 1 else None
    log, put_back = _Log(settings), special_ids_kept(learner.policy)
    with tempfile.TemporaryDirectory() as scratch:
        trainer = algorithm.trainer(
            rows, settings.optimiser.microbatch_size, learner.policy.pad_id,
            settings=_settings(settings, algorithm, learner, step, scratch), shared=_shared(learner, log),
        )  # fmt: skip
        trainer.remove_callback(PrinterCallback)
        # Each train() collects garbage, which takes longer than the step where a process holds all of these libraries.
        gc.freeze()
        try:
            with without_dropout(learner.policy.model):
                trainer.train()
        except NotFinite as error:
            learner.optimizer.zero_grad(set_to_none=True)
            if undo is not None:
                undo()
            raise NotFinite(
                f"step {step}: the gradient norm of {algorithm.kind} isn't finite. The weights are those of step "
                f"{step - 1}: lower optimiser.learning_rate or raise algorithm.beta"
            ) from error
        finally:
            put_back()
            _unwrap(learner)
    return {key: sum(logged.get(key, math.nan) for logged in log.steps) / len(log.steps) for key in log.steps[0]}


def _settings(settings: StepSettings, algorithm: Preference, learner: Learner, step: int, scratch: str) -> Row:
    return {
        **plain_settings(settings, learner, step, scratch),
        "num_train_epochs": algorithm.epochs,
        "learning_rate": learner.optimizer.param_groups[0]["lr"],
        "remove_unused_columns": False,
    }


def _shared(learner: Learner, log: _Log) -> Row:
    """Collect the constructor arguments of both trainers."""
    return {
        "model": learner.policy.model,
        "ref_model": learner.reference.model,
        "processing_class": own_tokenizer(learner.policy),
        "optimizers": (learner.optimizer, constant_rate(learner)),
        "callbacks": [log],
    }


def _unwrap(learner: Learner) -> None:
    """Leave the models and the optimiser as they were found, but for what was learned."""
    for policy in (learner.policy, learner.reference):
        unwrap_forward(policy.model)
        policy.model.eval()
    for group in learner.optimizer.param_groups:
        group.pop("initial_lr", None)  # the scheduler's note, which would be the base of the next one's rates
