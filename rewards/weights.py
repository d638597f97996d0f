"""Refusal of a checkpoint whose weights don't match its model.

Transformers draws missing weights at random and goes on, with another model at each load.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

# Weights that a checkpoint may hold beside the model's own: heads of other tasks, other modalities. No output changes
# where they are left out. Everything else that finds no place (a layer, a bias) would have changed the outputs.
BESIDE = frozenset(
    [
        *("lm_head", "embed_out", "cls", "pooler", "mtp"),
        *("score", "classifier", "classification_head", "qa_outputs", "v_head", "value_head", "reward_head"),
        *("visual", "vision_tower", "vision_model", "audio_tower", "multi_modal_projector"),
    ]
)
SHOWN = 4


def require_all_weights(info: Mapping[str, Any], path: Path) -> None:
    """Refuse a model that was loaded with weights missing, of another shape, or left over.

    `info` is the second result of `from_pretrained(path, output_loading_info=True, ignore_mismatched_sizes=True)`.
    Without `ignore_mismatched_sizes` Transformers raises on another shape and doesn't name the weight. Tied weights
    aren't missing.

    Raises:
        ValueError: in one line that names the first of the offending weights.
    """
    missing = sorted(info["missing_keys"])
    if missing:
        raise ValueError(
            f"{path} lacks weights, which would be drawn at random: {named(missing)}. Give a checkpoint that was "
            f"saved from {_whole(missing)}"
        )
    mismatched = sorted(info["mismatched_keys"])
    if mismatched:
        shapes = [f"{key} ({_shape(held)} held, {_shape(made)} by config.json)" for key, held, made in mismatched]
        raise ValueError(f"{path} holds weights of another shape than its model's: {named(shapes)}. Mend config.json")
    leftover = [key for key in sorted(info["unexpected_keys"]) if BESIDE.isdisjoint(key.split("."))]
    if leftover:
        raise ValueError(
            f"{path} holds weights for which its model has no place: {named(leftover)}. Mend config.json, or take "
            "them out of the checkpoint"
        )


def _whole(missing: Iterable[str]) -> str:
    """Name the kind of model that has the missing weights, as far as their names tell."""
    heads = {key.split(".")[0] for key in missing}
    if heads <= {"score", "classifier", "classification_head"}:
        return "a sequence classifier: this one is a language model, or lost its head"
    return "a causal language model: this one lost its head" if heads == {"lm_head"} else "the whole model"


def named(names: Sequence[str], most: int = SHOWN) -> str:
    """List the first of some names, and count the rest."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _shape(shape: Iterable[int]) -> str:
    return "x".join(str(size) for size in shape) or "a single number"
