"""Short cuts through a model that leave what it says unchanged, as far as they were tried on it."""

from dataclasses import dataclass
from typing import Any

# The names under which configurations say how many positions there are.
_WINDOWS = ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx", "context_length")


@dataclass(frozen=True)
class Ways:
    """The short cuts that are exact for a model; `rl.self_test.find_ways` tries each on the model itself.

    `padded`: rows of unlike lengths in one pass. `cached`: one token at a time behind keys and values that were kept.
    `shares_prompts`: a prompt read once for all its completions, gradients included. `shares_beginnings`: what several
    prompts begin with read once, with masked places behind it. None is needed: a model may be read row by row.
    """

    padded: bool = True
    cached: bool = True
    shares_prompts: bool = False
    shares_beginnings: bool = False
    window: int | None = None

    def fits(self, positions: int) -> bool:
        """Whether a pass of so many positions, padding included, stays within the model's window."""
        return self.window is None or positions <= self.window


NO_SHARING = Ways()
EVERY_WAY = Ways(shares_prompts=True, shares_beginnings=True)


def context_window(config: Any) -> int | None:
    """The positions that a model has by its configuration; None where it sets no limit."""
    settings = config.get_text_config(decoder=True)
    found = [getattr(settings, name, None) for name in _WINDOWS]
    return next((size for size in found if isinstance(size, int) and size > 0), None)
