"""The number of positions that a model can read, by its configuration."""

from typing import Any

# Names of the window in configurations. A model that counts no positions, such as Mamba or BLOOM, has none of them.
NAMES = ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx", "max_target_positions", "context_length")


def context_window(settings: Any) -> int | None:
    """Read the window from a model's configuration; None where the model has none."""
    stated = (getattr(settings.get_text_config(decoder=True), name, None) for name in NAMES)
    return next((number for number in stated if isinstance(number, int) and number > 0), None)
