"""The directory of the model that a pretrained origin stands for."""

from pathlib import Path

from rl.models.fetch import fetch
from rl.organisms.origins import Pretrained


def origin_directory(origin: Pretrained) -> Path:
    """Return the origin's directory; a named model is fetched if it isn't in the cache.

    Raises:
        ValueError: a named model that can't be fetched, in one line.
    """
    if origin.path is not None:
        return origin.path
    assert origin.model is not None, "a recipe without one isn't valid"
    return fetch(origin.model)
