"""The context window of a model, by its configuration, and the refusal of prompts that leave no room for a reply."""

from typing import Any

# How configurations name it. A model that counts no positions, as Mamba or BLOOM, names none.
NAMES = ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx", "max_target_positions", "context_length")


def context_window(settings: Any) -> int | None:
    """Read the window from a model's configuration; None where the model has none."""
    stated = (getattr(settings.get_text_config(decoder=True), name, None) for name in NAMES)
    return next((number for number in stated if isinstance(number, int) and number > 0), None)


def require_window(settings: Any, longest: int, reply: int, what: str = "the longest prompt", replies: int = 1) -> None:
    """Refuse prompts that are too long with a reply of `reply` tokens behind.

    `replies`: how many replies of full length there are, those within the prompt among them.

    Raises:
        ValueError: in one line, with the longest reply that fits.
    """
    window = context_window(settings)
    if window is None or longest + reply <= window:
        return
    fits = (window - longest + (replies - 1) * reply) // replies
    fix = f"--set sampling.max_new_tokens={fits}" if fits > 0 else "choose a model with a longer window"
    raise ValueError(
        f"{what} has {longest} tokens and a reply up to {reply} more (sampling.max_new_tokens), and the model's "
        f"context window is {window}: {fix}"
    )
