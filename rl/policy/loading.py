"""Loading of a policy from a directory: a causal LM or an adapter.

Every weight must be there, and the policy is read only in ways that are exact.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from rewards.weights import require_all_weights
from rl.policy.adapters import chain, is_adapter, merged, with_weights
from rl.policy.cpu import speed
from rl.policy.policy import Policy, end_ids, pick_device
from rl.policy.self_test import Unreadable, find_shortcuts, first_line
from rl.policy.shortcuts import Shortcuts

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model")


def load_policy(
    path: Path, device: torch.device | None = None, shortcuts: Shortcuts | None = None, cpu_speed: bool = True
) -> Policy:
    """Load any Transformers causal LM directory in evaluation mode and float32; an adapter is merged into its base.

    `shortcuts`: short cuts found for a model of the same architecture, which then isn't tested again. `cpu_speed`:
    false leaves the model to plain Transformers.

    Raises:
        ValueError: no model there, missing or unreadable weights, a tokenizer without a chat template, or a model that
            can't be read exactly in any way.
    """
    if not (path / "config.json").is_file() and not is_adapter(path):
        raise ValueError(f"{path} holds no model (config.json is missing): give a Hugging Face causal LM directory")
    tokenizer = load_tokenizer(path)
    model = _whole_model(path).to(device or pick_device()).eval()
    speed.quicken(model, cpu_speed)
    policy = Policy(model, tokenizer, end_ids(model, tokenizer), cpu_speed=cpu_speed)
    try:
        return replace(policy, shortcuts=shortcuts or find_shortcuts(policy))
    except Unreadable as error:
        raise ValueError(f"the model in {path} ({type(model).__name__}) can't be used: {error}") from error


def wearing(policy: Policy, adapter: Path) -> Policy:
    """Return the policy with the adapter of a checkpoint, ready for further training.

    Raises:
        ValueError: if the adapter doesn't fit.
    """
    return replace(policy, model=with_weights(policy.model, adapter, trainable=True).eval())


def load_tokenizer(path: Path) -> Any:
    """Load the tokenizer of the directory, or of the base of an adapter without a tokenizer."""
    holder = next((place for place in chain(path) if any((place / name).is_file() for name in _TOKENIZER_FILES)), path)
    try:
        tokenizer = AutoTokenizer.from_pretrained(holder)
    except Exception as error:
        raise ValueError(f"can't load a causal LM from {path}: {first_line(error)}") from error
    if tokenizer.chat_template is None:
        raise ValueError(
            f"the tokenizer in {holder} has no chat template: add chat_template.jinja to the directory "
            "(any template that writes system and user turns and a generation prompt)"
        )
    return tokenizer


def _whole_model(path: Path) -> Any:
    *adapters, base = chain(path)
    try:
        model, info = AutoModelForCausalLM.from_pretrained(
            base, dtype=torch.float32, output_loading_info=True, ignore_mismatched_sizes=True
        )
    except Exception as error:
        raise ValueError(f"can't load a causal LM from {base}: {first_line(error)}") from error
    require_all_weights(info, base)
    if getattr(model.config, "rescale_every", 0):
        model.config.rescale_every = 0  # RWKV halves its weights in place for float16, at every load anew
    for adapter in reversed(adapters):
        model = merged(model, adapter)
    model.requires_grad_(True)  # an adapter leaves its base frozen; the trained parameters are chosen later
    # An adapter trained on top records this as its base: the whole loaded directory, not its innermost part.
    model.name_or_path = model.config._name_or_path = str(path.resolve())
    return model
