"""Resumption of a run whose last step lacked labels."""

from collections.abc import Sequence
from pathlib import Path

from checkpoints import store
from reports.records import StepRow
from rl.run.config import RunConfig
from rl.run.environments import judge_of
from rl.run.folder import resume_command


def lacks_labels(rows: Sequence[StepRow], config: RunConfig) -> bool:
    """Tell from recorded rows whether the last step lacks a label more often than `max_label_error_rate` allows.

    A run that stopped for its labels can't ask again: the episodes of the step are gone. Labels by a judge stop no run.
    """
    judge = judge_of(config.env)
    judged: tuple[str, ...] = () if judge is None else judge.labels
    rates = [rate or 0.0 for name, rate in rows[-1].label_errors.items() if name not in judged] if rows else []
    return max(rates, default=0.0) > config.max_label_error_rate


def require_step_ahead(config: RunConfig, folder: Path, step: int) -> None:
    """Refuse to call a run finished whose last step of all lacks labels: no later step can show a mended labeller.

    Raises:
        ValueError: in one line, with the command that takes the step again.
    """
    if step < config.steps:
        return
    before = max((saved for saved in store.steps(folder / "checkpoints") if saved < step), default=0)
    raise ValueError(
        f"step {step}, the run's last, lacks labels more often than max_label_error_rate="
        f"{config.max_label_error_rate:g} allows: mend the labels and take the step again with "
        f"`{resume_command(folder, before)}`"
    )
