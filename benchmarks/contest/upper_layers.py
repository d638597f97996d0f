"""Training of the upper layers alone, the same way for every contender."""

from typing import Any


def train_upper_layers(model: Any, count: int | None) -> None:
    """Freeze all weights but those of the last `count` layers and of the norm behind them; None changes nothing.

    Raises:
        ValueError: if the model has fewer layers, or isn't built of a list of layers with a norm behind it.
    """
    if count is None:
        return
    body = getattr(model, "model", None)
    layers, norm = getattr(body, "layers", None), getattr(body, "norm", None)
    if layers is None or norm is None or not 0 < count <= len(layers):
        raise ValueError(f"--upper-layers {count} needs a model of at least that many layers with a norm behind them")
    model.requires_grad_(False)
    for module in (*layers[len(layers) - count :], norm):
        module.requires_grad_(True)
