"""The learner's state in a checkpoint: optimiser, critic and moving reference, saved and put back."""

from collections.abc import Mapping

import torch

from checkpoints import optimizer_state
from checkpoints.plain_json import JSON
from checkpoints.store import Checkpoint
from rl.training.learner import Learner
from rl.training.settings import StepSettings

_CRITIC, _REFERENCE = "value_head/", "reference/"


def state(settings: StepSettings, learner: Learner) -> tuple[dict[str, torch.Tensor], dict[str, JSON]]:
    """Collect the learner's tensors and plain JSON but the policy's weights, which a checkpoint holds as a model."""
    tensors, optimizer = optimizer_state.flatten(learner.optimizer)
    if learner.critic is not None:
        tensors |= {_CRITIC + name: tensor.cpu() for name, tensor in learner.critic.state_dict().items()}
    if settings.algorithm.moving_reference is not None:
        parameters = learner.reference.model.named_parameters()
        tensors |= {_REFERENCE + name: tensor.detach().cpu() for name, tensor in parameters}
    return tensors, {"optimizer": dict(optimizer)}


def restore(settings: StepSettings, learner: Learner, checkpoint: Checkpoint) -> None:
    """Put back what `state` gave; the learner's policy must hold the checkpoint's weights already.

    Raises:
        ValueError: if the checkpoint lacks the critic or the moving reference that the algorithm needs, or a weight of
            theirs, or holds one of another shape.
    """
    if learner.critic is not None:
        _put_back(settings, checkpoint, _CRITIC, "value head", dict(learner.critic.named_parameters()))
    if settings.algorithm.moving_reference is not None:
        parameters = dict(learner.reference.model.named_parameters())
        _put_back(settings, checkpoint, _REFERENCE, "moving reference", parameters)
    saved = checkpoint.state["optimizer"]
    assert isinstance(saved, Mapping)
    optimizer_state.restore(learner.optimizer, checkpoint.tensors, saved)


def _put_back(
    settings: StepSettings, checkpoint: Checkpoint, prefix: str, what: str, parameters: Mapping[str, torch.nn.Parameter]
) -> None:
    """Copy a part of the checkpoint's tensors into parameters of the same names and shapes, all of them."""
    found = {
        name.removeprefix(prefix): tensor for name, tensor in checkpoint.tensors.items() if name.startswith(prefix)
    }
    if not found:
        raise ValueError(
            f"the checkpoint of step {checkpoint.step} holds no {what}, which algorithm {settings.algorithm.kind} "
            "needs: resume with the config.json that the run was started with, or start a new run with `gyges train`"
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
