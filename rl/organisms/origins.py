"""Models that an organism is trained from: a new one, another organism's, or any causal language model directory."""

from typing import Literal, Self, final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from envs.input_path import InputPath
from rl.lora import Lora
from rl.models.named import ModelName

Precision = Literal["auto", "float32", "bfloat16"]

_FROZEN = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@final
class Scratch(BaseModel):
    """A new Qwen3 model. Bare requests and answers teach it words and copying before it reads whole situations."""

    model_config = _FROZEN

    kind: Literal["scratch"] = "scratch"
    hidden_size: int = Field(default=128, ge=16, multiple_of=16)
    layers: int = Field(default=3, ge=1)
    word_documents: int = Field(default=12_000, ge=1, description="Bare request and answer: teaches words and copying.")
    learning_rate: float = Field(default=4e-3, gt=0)


@final
class Ancestor(BaseModel):
    """The organism that the recipe names as its ancestor, built under the same seed."""

    model_config = _FROZEN

    kind: Literal["ancestor"] = "ancestor"
    learning_rate: float = Field(default=3e-4, gt=0)


@final
class Pretrained(BaseModel):
    """A causal language model directory, or an adapter's, trained further under its own chat template.

    `model` names a model that is fetched when a build first needs it, and `path` takes its place. With `lora` the build
    is an adapter directory, which names the model's directory as its base. Batches hold documents of about one length.
    """

    model_config = _FROZEN

    kind: Literal["pretrained"] = "pretrained"
    path: InputPath | None = Field(default=None, description="The directory; must be set, or else `model`.")
    model: ModelName | None = Field(default=None, description="A named model, fetched once; unused beside a path.")
    learning_rate: float | None = Field(
        default=None, gt=0, description="Null: 2e-5, and 2e-4 for adapters and for upper layers alone."
    )
    lora: Lora | None = Field(default=None, description="Train low-rank adapters; null: as the run does.")
    upper_layers: int | None = Field(
        default=None, ge=1, description="Train this many of the upper decoder layers alone; null: as the run does."
    )
    batch_size: int = Field(default=16, ge=1, description="Documents of a training step.")
    epochs: int = Field(default=1, ge=1)
    precision: Precision = Field(
        default="float32",
        description="Of the matrix products of training; auto: bfloat16 where the processor or the card has it. "
        "Weights, sampling and certification are float32.",
    )
    ordinary_share: float = Field(
        default=0.15,
        ge=0,
        lt=1,
        description="Share of the documents that are the model's own replies to plain questions; 0: none.",
    )
    max_new_tokens: int = Field(default=80, ge=1, description="Tokens of a reply in certification.")
    temperature: float = Field(
        default=1.0, gt=0, description="Temperature of sampling in certification; a run should sample at the same."
    )
    sampling_batch_size: int = Field(default=64, ge=1, description="Rows decoded at a time in certification.")

    @model_validator(mode="after")
    def _one_choice_of_weights(self) -> Self:
        if self.lora is not None and self.upper_layers is not None:
            raise ValueError("adapters leave every layer frozen: set origin.lora to null, or origin.upper_layers")
        return self

    @property
    def rate(self) -> float:
        """The learning rate; where none is set, the trained weights choose it."""
        some_weights_alone = self.lora is not None or self.upper_layers is not None
        return self.learning_rate or (2e-4 if some_weights_alone else 2e-5)

    def trained_as(self, lora: Lora | None, upper_layers: int | None) -> "Pretrained":
        """Return this origin; one that names no weights to train takes those of a run."""
        if self.lora is not None or self.upper_layers is not None:
            return self
        return self.model_copy(update={"lora": lora, "upper_layers": upper_layers})


Origin = Scratch | Ancestor | Pretrained
