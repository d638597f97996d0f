"""The choice of the weights that are trained: all of a model's, or those of its upper decoder layers alone."""

from typing import Any

from rl.policy.residual_stream import decoder_layers


def train_only(model: Any, upper_layers: int | None) -> None:
    """Freeze all weights but those of the upper `upper_layers` decoder layers; None leaves the model as it is.

    Embedding, output head, final norm and the lower layers stay frozen. No tensor below the lowest trained layer
    requires a gradient, so a forward pass records no graph there. Works in place.

    Raises:
        ValueError: if the model has fewer decoder layers, or no list of decoder layers.
    """
    if upper_layers is None:
        return
    try:
        layers = decoder_layers(model)
    except ValueError as error:
        raise ValueError(
            f"{type(model).__name__} has no list of decoder layers to train the upper ones of: set upper_layers to null"
        ) from error
    require_layers(upper_layers, len(layers))
    model.requires_grad_(False)
    for layer in layers[len(layers) - upper_layers :]:
        layer.requires_grad_(True)


def require_layers(upper_layers: int | None, layers: int, setting: str = "upper_layers") -> None:
    """Refuse more upper layers than the model has.

    Raises:
        ValueError: in one line, with the layers of the model and the name of the setting.
    """
    if upper_layers is not None and upper_layers > layers:
        raise ValueError(
            f"{setting}={upper_layers} and the model has {layers} decoder layers: "
            f"set {setting} to at most {layers}, or to null for all weights"
        )
