"""Conversion of an optimiser to named tensors plus JSON, and back, bit for bit.

Made for AdamW; serves any torch optimiser whose state is a step and tensors of their parameter's shape. A tensor's name
is `optimizer/PARAMETER/FIELD`, where PARAMETER counts over all groups in order: `optimizer/3/exp_avg_sq`. Other tensors
may share the mapping under other names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from checkpoints.plain_json import JSON

_PREFIX = "optimizer/"
_FIX = "build the model and the optimiser from the config.json that the checkpoint's run was started with"


def flatten(optimizer: torch.optim.Optimizer) -> tuple[dict[str, torch.Tensor], dict[str, JSON]]:
    """Copy every state tensor to the CPU, and describe everything else as JSON; further steps change neither.

    Raises ValueError for state that is neither tensors nor plain numbers and text, such as a tensor learning rate.
    """
    snapshot = optimizer.state_dict()
    tensors: dict[str, torch.Tensor] = {}
    for index, fields in snapshot["state"].items():
        for field, value in fields.items():
            if not isinstance(value, torch.Tensor):
                raise ValueError(f"can't store {_name(optimizer)}: its state {field} is a {type(value).__name__}")
            tensors[f"{_PREFIX}{index}/{field}"] = value.detach().to("cpu", copy=True)
    return tensors, {
        "kind": _name(optimizer),
        "groups": [_plain_group(optimizer, group) for group in snapshot["param_groups"]],
        "shapes": [list(parameter.shape) for parameter in _parameters(optimizer)],
        "tensors": sorted(tensors),
    }


def restore(optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor], json: Mapping[str, JSON]) -> None:
    """Restore the state that `flatten` returned, hyperparameters included; the optimiser may already have taken steps.

    Raises ValueError, and leaves the optimiser as it was, if its parameters differ from the saved ones.
    """
    _check(optimizer, tensors, json)
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name in _texts(json["tensors"]):
        index, field = name.removeprefix(_PREFIX).split("/")
        # Cloned because torch keeps a tensor that already fits, and the next step would write into the caller's.
        state.setdefault(int(index), {})[field] = tensors[name].clone()
    groups = json["groups"]
    assert isinstance(groups, list)
    optimizer.load_state_dict({"state": state, "param_groups": [_torch_group(group) for group in groups]})


def _check(optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor], json: Mapping[str, JSON]) -> None:
    if json["kind"] != _name(optimizer):
        raise ValueError(f"the checkpoint holds the state of {json['kind']}, not of {_name(optimizer)}; {_FIX}")
    saved_sizes, sizes = _group_sizes(json["groups"]), _group_sizes(optimizer.state_dict()["param_groups"])
    if saved_sizes != sizes:
        raise ValueError(f"the checkpoint's optimiser has groups of {saved_sizes} parameters, not {sizes}; {_FIX}")
    parameters = _parameters(optimizer)
    shapes = json["shapes"]
    assert isinstance(shapes, list)
    for index, (saved, parameter) in enumerate(zip(shapes, parameters, strict=True)):
        if saved != list(parameter.shape):
            raise ValueError(f"parameter {index} was saved with shape {saved}, not {list(parameter.shape)}; {_FIX}")
    for name in _texts(json["tensors"]):
        if name not in tensors:
            raise ValueError(f"the checkpoint lacks {name}; it was saved without all of its optimiser's tensors")
        owner, field = name.removeprefix(_PREFIX).split("/")
        tensor, parameter = tensors[name], parameters[int(owner)]
        # `step` counts in float32 whatever the parameter is; torch would cast all other fields without a word.
        if field != "step" and (tensor.shape, tensor.dtype) != (parameter.shape, parameter.dtype):
            raise ValueError(
                f"{name} is {tensor.dtype} {list(tensor.shape)}, "
                f"its parameter {parameter.dtype} {list(parameter.shape)}; {_FIX}"
            )


def _plain_group(optimizer: torch.optim.Optimizer, group: Mapping[str, Any]) -> dict[str, JSON]:
    for key, value in group.items():
        if isinstance(value, torch.Tensor):
            raise ValueError(f"can't store {_name(optimizer)}: its {key} is a tensor; give it as a number")
    return {key: list(value) if isinstance(value, tuple) else value for key, value in group.items()}


def _torch_group(group: JSON) -> dict[str, Any]:
    assert isinstance(group, Mapping)
    # betas is the one tuple among torch's hyperparameters, and some of its code paths take only a tuple.
    return {key: tuple(value) if key == "betas" and isinstance(value, list) else value for key, value in group.items()}


def _group_sizes(groups: Any) -> list[int]:
    return [len(group["params"]) for group in groups]


def _parameters(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _name(optimizer: torch.optim.Optimizer) -> str:
    return type(optimizer).__name__


def _texts(value: JSON) -> list[str]:
    assert isinstance(value, list)
    return [str(item) for item in value]
