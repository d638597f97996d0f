"""PEFT adapters: a directory that holds one stands for its base with the adapter merged into it."""

import json
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from peft.utils import SAFETENSORS_WEIGHTS_NAME, WEIGHTS_NAME, load_peft_weights

from checkpoints.lineage import hash_config, hash_directory
from rewards.weights import named
from rl.lora import Lora

ADAPTER_CONFIG = "adapter_config.json"
WEIGHTS = (SAFETENSORS_WEIGHTS_NAME, WEIGHTS_NAME)  # in the order in which PEFT looks for them


def with_fresh_adapter(model: Any, lora: Lora, seed: int) -> Any:
    """Put fresh low-rank adapters on a model, whose own weights are frozen; in evaluation mode."""
    targets = lora.target_modules if isinstance(lora.target_modules, str) else list(lora.target_modules)
    torch.manual_seed(seed)
    settings = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules=targets, task_type="CAUSAL_LM")
    return get_peft_model(model, settings).eval()


def is_adapter(path: Path) -> bool:
    """Whether the directory holds an adapter in place of a whole model."""
    return (path / ADAPTER_CONFIG).is_file()


def base_of(path: Path) -> Path:
    """The directory that the adapter in `path` was trained on.

    Raises:
        ValueError: if it isn't there any more, or the adapter doesn't say.
    """
    try:
        stated = json.loads((path / ADAPTER_CONFIG).read_text()).get("base_model_name_or_path")
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{path / ADAPTER_CONFIG} is not a JSON object: restore it from a copy") from error
    if not isinstance(stated, str) or not stated:
        raise ValueError(f"the adapter in {path} names no base: set base_model_name_or_path in {ADAPTER_CONFIG}")
    given = Path(stated).expanduser()
    # Beside the adapter first: what is found there is found from every working directory.
    for base in (path / given, path.resolve().parent / given, given):
        if base.is_dir():
            return base.resolve()
    raise ValueError(
        f"the base of the adapter in {path} is gone: {stated} is no directory. Put it back, or set "
        f"base_model_name_or_path in {path / ADAPTER_CONFIG} to where it lies now"
    )


def chain(path: Path) -> list[Path]:
    """The adapters of a directory, the innermost last, and then the whole model that they rest on.

    Raises:
        ValueError: as `base_of`; adapters that rest on each other in a circle.
    """
    found = [path.resolve()]
    while is_adapter(found[-1]):
        base = base_of(found[-1])
        if base in found:
            raise ValueError(f"the adapter in {base} is its own base: mend {base / ADAPTER_CONFIG}")
        found.append(base)
    return found


def origin_hash(path: Path) -> str:
    """Hash of a model's directory; of an adapter's, of all the directories that it rests on as well."""
    directories = chain(path)
    hashes = [hash_directory(directory) for directory in directories]
    return hashes[0] if len(hashes) == 1 else hash_config(hashes)


def merged(model: Any, path: Path) -> Any:
    """The model with the adapter in `path` merged into its weights.

    Raises:
        ValueError: for an adapter that lacks weights or can't be merged.
    """
    adapted = with_weights(model, path, trainable=False)
    try:
        return adapted.merge_and_unload()
    except (AttributeError, NotImplementedError, ValueError) as error:
        kind = adapted.peft_config["default"].peft_type
        raise ValueError(
            f"the adapter in {path} ({kind}) can't be merged into its base: give a LoRA adapter"
        ) from error


def with_weights(model: Any, path: Path, trainable: bool) -> Any:
    """The model wearing the adapter in `path`, whose weights are all there and of the right shape.

    Raises:
        ValueError: naming what is missing, left over or of another shape, or the file that can't be read.
    """
    held = _held(path)
    try:
        adapted = PeftModel.from_pretrained(model, path, is_trainable=trainable)
    except RuntimeError as error:
        reason = next((line.strip() for line in str(error).splitlines()[1:]), str(error))
        raise ValueError(f"the adapter in {path} doesn't fit its base: {reason}") from error
    except Exception as error:
        raise ValueError(
            f"{path / ADAPTER_CONFIG} describes no adapter of this base ({_reason(error)}): restore it from a copy"
        ) from error
    # PEFT looks at the configuration there, and asks for it over the network where the name is no directory.
    adapted.peft_config["default"].base_model_name_or_path = model.name_or_path
    wanted = set(get_peft_model_state_dict(adapted))
    for names, problem in ((wanted - held, "lacks weights"), (held - wanted, "holds weights that have no place")):
        if names:
            raise ValueError(f"the adapter in {path} {problem}: {named(sorted(names))}. Restore it from a copy")
    return adapted


def _held(path: Path) -> set[str]:
    """The names of the weights that the adapter's files hold."""
    try:
        PeftConfig.from_pretrained(path)
    except Exception as error:
        raise ValueError(
            f"{path / ADAPTER_CONFIG} describes no adapter that PEFT knows ({_reason(error)}): restore it from a copy"
        ) from error
    file = next((path / name for name in WEIGHTS if (path / name).is_file()), None)
    if file is None:
        raise ValueError(f"the adapter in {path} has no weights: put {WEIGHTS[0]} back")
    try:
        return set(load_peft_weights(str(path), device="cpu"))
    except Exception as error:
        raise ValueError(f"{file} can't be read ({_reason(error)}): restore it from a copy") from error


def _reason(error: Exception) -> str:
    first = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
