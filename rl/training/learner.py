"""What training changes: policy, reference, critic and optimiser; and how they are kept in a checkpoint."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from checkpoints import optimizer_state
from checkpoints.plain_json import JSON
from checkpoints.store import Checkpoint
from rl.algorithms.settings import MovingReference
from rl.policy.policy import Policy
from rl.run.build import Built
from rl.run.config import RunConfig

_CRITIC, _REFERENCE = "value_head/", "reference/"


@dataclass(frozen=True)
class Learner:
    """The policy in training, what it is held near to, and the optimiser of its weights and of the critic's.

    `critic` is a linear value head on the policy's last hidden state, where the algorithm has one.
    """

    policy: Policy
    reference: Policy
    critic: torch.nn.Linear | None
    optimizer: torch.optim.Optimizer


def new_learner(config: RunConfig, built: Built) -> Learner:
    """A learner at its start: the critic says 0 everywhere, the optimiser has taken no step."""
    critic = _new_critic(built.policy) if config.algorithm.has_critic else None
    trained = [p for p in built.policy.model.parameters() if p.requires_grad]
    settings = config.optimiser
    optimizer = torch.optim.AdamW(
        [{"params": trained}, *([_critic_group(config, critic)] if critic is not None else [])],
        lr=settings.learning_rate,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
    )
    return Learner(built.policy, built.reference, critic, optimizer)


def _critic_group(config: RunConfig, critic: torch.nn.Linear) -> dict[str, Any]:
    return {"params": list(critic.parameters()), "lr": config.algorithm.critic_rate}


def _new_critic(policy: Policy) -> torch.nn.Linear:
    critic = torch.nn.Linear(policy.model.config.get_text_config().hidden_size, 1, device=policy.device)
    torch.nn.init.zeros_(critic.weight)
    torch.nn.init.zeros_(critic.bias)
    return critic


def critic_values(critic: torch.nn.Linear, hidden_BTH: torch.Tensor) -> torch.Tensor:
    """The critic's value before each token, (B, T)."""
    values_BT: torch.Tensor = critic(hidden_BTH.float()).squeeze(-1)
    return values_BT


def snapshot(learner: Learner) -> Callable[[], None]:
    """Keeps the trained weights and the optimiser's state on the CPU; the function that is returned puts them back."""
    parameters = [p for group in learner.optimizer.param_groups for p in group["params"]]
    kept = [parameter.detach().to("cpu", copy=True) for parameter in parameters]
    tensors, optimizer = optimizer_state.flatten(learner.optimizer)

    def undo() -> None:
        with torch.no_grad():
            for parameter, value in zip(parameters, kept, strict=True):
                parameter.copy_(value)
        optimizer_state.restore(learner.optimizer, tensors, optimizer)

    return undo


def learning_rate(config: RunConfig, step: int) -> float:
    """Linear warm-up, then constant; `step` counts from 1."""
    return config.optimiser.learning_rate * min(1.0, step / max(config.optimiser.warmup_steps, 1))


def set_learning_rate(config: RunConfig, learner: Learner, step: int) -> None:
    """Makes the rates of `step` the optimiser's: of the policy's weights, and of the critic's where there is one."""
    policy, *critics = learner.optimizer.param_groups
    policy["lr"] = learning_rate(config, step)
    for critic in critics:
        critic["lr"] = config.algorithm.critic_rate


def move_reference(moving: MovingReference | None, learner: Learner, step: int) -> None:
    """After `step`: mixes the policy into a moving reference where it is due."""
    if moving is None or step % moving.every:
        return
    with torch.no_grad():
        pairs = zip(learner.reference.model.parameters(), learner.policy.model.parameters(), strict=True)
        for reference, policy in pairs:
            reference.lerp_(policy, moving.mix)


def state(config: RunConfig, learner: Learner) -> tuple[dict[str, torch.Tensor], dict[str, JSON]]:
    """All of the learner but the policy's weights, which the checkpoint holds as a model: tensors and plain JSON."""
    tensors, optimizer = optimizer_state.flatten(learner.optimizer)
    if learner.critic is not None:
        tensors |= {_CRITIC + name: tensor.cpu() for name, tensor in learner.critic.state_dict().items()}
    if config.algorithm.moving_reference is not None:
        parameters = learner.reference.model.named_parameters()
        tensors |= {_REFERENCE + name: tensor.detach().cpu() for name, tensor in parameters}
    return tensors, {"optimizer": dict(optimizer)}


def restore(config: RunConfig, learner: Learner, checkpoint: Checkpoint) -> None:
    """Puts back what `state` gave; the learner's policy must hold the checkpoint's weights already.

    Raises:
        ValueError: if the checkpoint lacks the critic or the moving reference that the algorithm needs, or a weight of
            theirs, or holds one of another shape.
    """
    if learner.critic is not None:
        _put_back(config, checkpoint, _CRITIC, "value head", dict(learner.critic.named_parameters()))
    if config.algorithm.moving_reference is not None:
        parameters = dict(learner.reference.model.named_parameters())
        _put_back(config, checkpoint, _REFERENCE, "moving reference", parameters)
    saved = checkpoint.state["optimizer"]
    assert isinstance(saved, Mapping)
    optimizer_state.restore(learner.optimizer, checkpoint.tensors, saved)


def _put_back(
    config: RunConfig, checkpoint: Checkpoint, prefix: str, what: str, parameters: Mapping[str, torch.nn.Parameter]
) -> None:
    """Copies a part of the checkpoint's tensors into parameters of the same names and shapes, all of them."""
    found = {
        name.removeprefix(prefix): tensor for name, tensor in checkpoint.tensors.items() if name.startswith(prefix)
    }
    if not found:
        raise ValueError(
            f"the checkpoint of step {checkpoint.step} holds no {what}, which algorithm {config.algorithm.kind} needs: "
            "resume with the config.json that the run was started with, or start a new run with `gyges train`"
        )
    wrong = sorted(found.keys() ^ parameters.keys())
    wrong += [name for name in found.keys() & parameters.keys() if found[name].shape != parameters[name].shape]
    if wrong:
        raise ValueError(
            f"the {what} in the checkpoint of step {checkpoint.step} isn't this run's: {wrong[0]} is missing, left "
            "over or of another shape. Resume from an earlier step with --step, or start a new run with `gyges train`"
        )
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(found[name])
