"""Settings that all TRL trainers of RL and preferences share."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from rl.policy.policy import without_adapter
from rl.streams import Stage, stream
from rl.training.learner import Learner
from rl.training.settings import StepSettings


def plain_settings(settings: StepSettings, learner: Learner, step: int, scratch: str) -> dict[str, Any]:
    """Collect plain settings: float32, nothing saved, each gradient step logged; `step` seeds TRL's own draws."""
    return {
        "output_dir": scratch,
        "max_grad_norm": 0.0,  # clipped by `clip_gradients`: Transformers turns a gradient that overflows into zeros
        "seed": int(stream(settings.seed, step, Stage.engine).integers(2**31)),
        "use_cpu": learner.policy.device.type == "cpu",
        "bf16": False,
        "activation_checkpointing": False,
        "use_cache": learner.policy.shortcuts.cached,
        "save_strategy": "no",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }


@contextmanager
def without_dropout(model: Any) -> Iterator[None]:
    """Switch dropout off for the length of a block, in any mode of the model, as on the built-in engine.

    Transformers puts the model into training mode before each step, in which TRL samples and rewards are scored as
    well. TRL's `disable_dropout` ends the modules of that name, not what attention drops; and the model itself must
    stay in training mode, by which TRL tells training from evaluation.
    """
    base = without_adapter(model)

    def calm(decoder: torch.nn.Module, given: Any) -> None:
        if decoder.training:
            decoder.eval()

    handle = base.get_decoder().register_forward_pre_hook(calm)
    try:
        yield
    finally:
        handle.remove()


def constant_rate(learner: Learner) -> torch.optim.lr_scheduler.LambdaLR:
    """Make a scheduler that leaves the rate alone: the run sets it before each step."""
    return torch.optim.lr_scheduler.LambdaLR(learner.optimizer, lambda _: 1.0)


def clip_gradients(settings: StepSettings, model: Any) -> bool:
    """Clip gradients as the built-in engine does; return False where their norm isn't finite: none may be applied."""
    parameters = [p for p in model.parameters() if p.grad is not None]
    norm = torch.nn.utils.clip_grad_norm_(parameters, settings.optimiser.max_grad_norm)
    return bool(torch.isfinite(norm))
