"""The learner, which training changes: policy, reference, critic and optimiser."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from checkpoints import optimizer_state
from rl.algorithms.settings import MovingReference
from rl.policy.policy import Policy
from rl.training.settings import StepSettings


@dataclass(frozen=True)
class Learner:
    """The policy in training, the KL reference, and the optimiser of the weights of policy and critic.

    `critic` is a linear value head on the policy's last hidden state, where the algorithm has one.
    """

    policy: Policy
    reference: Policy
    critic: torch.nn.Linear | None
    optimizer: torch.optim.Optimizer


def new_learner(settings: StepSettings, policy: Policy, reference: Policy) -> Learner:
    """Make a learner at its start: the critic says 0 everywhere, the optimiser has taken no step."""
    critic = _new_critic(policy) if settings.algorithm.has_critic else None
    trained = [p for p in policy.model.parameters() if p.requires_grad]
    optimiser = settings.optimiser
    optimizer = torch.optim.AdamW(
        [{"params": trained}, *([_critic_group(settings, critic)] if critic is not None else [])],
        lr=optimiser.learning_rate,
        betas=optimiser.betas,
        weight_decay=optimiser.weight_decay,
    )
    return Learner(policy, reference, critic, optimizer)


def _critic_group(settings: StepSettings, critic: torch.nn.Linear) -> dict[str, Any]:
    return {"params": list(critic.parameters()), "lr": settings.algorithm.critic_rate}


def _new_critic(policy: Policy) -> torch.nn.Linear:
    critic = torch.nn.Linear(policy.model.config.get_text_config().hidden_size, 1, device=policy.device)
    torch.nn.init.zeros_(critic.weight)
    torch.nn.init.zeros_(critic.bias)
    return critic


def critic_values(critic: torch.nn.Linear, hidden_BTH: torch.Tensor) -> torch.Tensor:
    """Compute the critic's value before each token, (B, T)."""
    values_BT: torch.Tensor = critic(hidden_BTH.float()).squeeze(-1)
    return values_BT


def snapshot(learner: Learner) -> Callable[[], None]:
    """Keep the trained weights and the optimiser's state on the CPU; return the function that puts them back."""
    parameters = [p for group in learner.optimizer.param_groups for p in group["params"]]
    kept = [parameter.detach().to("cpu", copy=True) for parameter in parameters]
    tensors, optimizer = optimizer_state.flatten(learner.optimizer)

    def undo() -> None:
        with torch.no_grad():
            for parameter, value in zip(parameters, kept, strict=True):
                parameter.copy_(value)
        optimizer_state.restore(learner.optimizer, tensors, optimizer)

    return undo


def learning_rate(settings: StepSettings, step: int) -> float:
    """Compute the policy's learning rate: linear warm-up, then constant; `step` counts from 1."""
    return settings.optimiser.learning_rate * min(1.0, step / max(settings.optimiser.warmup_steps, 1))


def set_learning_rate(settings: StepSettings, learner: Learner, step: int) -> None:
    """Set the optimiser's learning rates to those of `step`, for the policy and for a critic."""
    policy, *critics = learner.optimizer.param_groups
    policy["lr"] = learning_rate(settings, step)
    for critic in critics:
        critic["lr"] = settings.algorithm.critic_rate


def move_reference(moving: MovingReference | None, learner: Learner, step: int) -> None:
    """Mix the policy into a moving reference, after each step at which the mix is due."""
    if moving is None or step % moving.every:
        return
    with torch.no_grad():
        pairs = zip(learner.reference.model.parameters(), learner.policy.model.parameters(), strict=True)
        for reference, policy in pairs:
            reference.lerp_(policy, moving.mix)
