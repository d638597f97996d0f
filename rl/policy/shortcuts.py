"""Short cuts through a model that leave what it says unchanged, as far as they were tried on it."""

from dataclasses import dataclass, field
from typing import Any

from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer


@dataclass(frozen=True)
class Shortcuts:
    """The short cuts that are exact for a model; `rl.policy.self_test.find_shortcuts` tries each on the model itself.

    `padded`: rows of unlike lengths in one pass, and `shifted` also where positions count the padding on the left, as
    TRL's trainers have it. `cached`: one token at a time behind keys and values that were kept.
    `shares_prompts`: a prompt read once for all its completions, gradients included. `shares_beginnings`: what several
    prompts begin with read once, with masked places behind it. None is needed: a model may be read row by row.
    """

    padded: bool = True
    shifted: bool = True
    cached: bool = True
    shares_prompts: bool = False
    shares_beginnings: bool = False
    window: int | None = None
    failures: tuple[str, ...] = field(default=(), compare=False)  # short cuts that raised an error, and which

    def fits(self, positions: int) -> bool:
        """Compare a pass of so many positions, padding included, with the model's window."""
        return self.window is None or positions <= self.window


def only_plain_attention(model: Any) -> bool:
    """Return true where every layer keeps its keys and values as they are, so that they can be shared and continued."""
    layers = DynamicCache(config=model.config).layers
    return bool(layers) and all(type(layer) is DynamicLayer for layer in layers)


NO_SHARING = Shortcuts()
EVERY_SHORTCUT = Shortcuts(shares_prompts=True, shares_beginnings=True)
