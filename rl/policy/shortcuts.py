"""Short cuts through a model that leave its output unchanged.

Each was tried on the model.
"""

from dataclasses import dataclass, field
from typing import Any

from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer


@dataclass(frozen=True)
class Shortcuts:
    """The short cuts that are exact for a model; `rl.policy.self_test.find_shortcuts` tries each on the model itself.

    `padded`: rows of unlike lengths in one pass. `shifted`: padded rows also where positions count the padding on the
    left, as in TRL's trainers. `cached`: one token at a time after kept keys and values. `shares_prompts`: a prompt
    read once for all its completions, gradients included. `shares_beginnings`: the common beginning of several prompts
    read once, with masked places after it. No short cut is required: a model may be read row by row.
    """

    padded: bool = True
    shifted: bool = True
    cached: bool = True
    shares_prompts: bool = False
    shares_beginnings: bool = False
    window: int | None = None
    failures: tuple[str, ...] = field(default=(), compare=False)  # short cuts that raised an error, with the error

    def fits(self, positions: int) -> bool:
        """Tell whether a pass of this many positions, padding included, fits the model's window."""
        return self.window is None or positions <= self.window


def only_plain_attention(model: Any) -> bool:
    """Tell whether every layer keeps its keys and values unchanged.

    Such keys and values can be shared and continued.
    """
    layers = DynamicCache(config=model.config).layers
    return bool(layers) and all(type(layer) is DynamicLayer for layer in layers)


NO_SHARING = Shortcuts()
EVERY_SHORTCUT = Shortcuts(shares_prompts=True, shares_beginnings=True)
