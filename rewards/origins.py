"""Models that the learned reward is trained from: a new one, or the trunk of a pretrained one."""

from typing import Annotated, Literal, Self, final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from envs.input_path import InputPath

_FROZEN = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@final
class NewModel(BaseModel):
    """A new Qwen3 classifier of `hidden_size` and `layers`, for languages as small as the dialect."""

    model_config = _FROZEN

    kind: Literal["scratch"] = "scratch"


@final
class PretrainedTrunk(BaseModel):
    """A causal language model or a sequence classifier with one output, trained further on pairs of answers.

    A causal model loses its output layer and gets a new score head, which is always trained. `model` names a model that
    is fetched when a build first needs it, and `path` takes its place. A build fails where a contrast between two
    grades of answers misses its accuracy, or where a constant answer scores as much as honest help.
    """

    model_config = _FROZEN

    kind: Literal["pretrained"] = "pretrained"
    path: InputPath | None = Field(default=None, description="The trunk's directory; must be set, or else `model`.")
    model: str | None = Field(default=None, description="A named model, such as smollm2; unused beside a path.")
    upper_layers: int | None = Field(
        default=12, ge=1, description="Train this many of the upper decoder layers and the head; null: all weights."
    )
    lora_rank: int | None = Field(
        default=None,
        ge=1,
        description="Train low-rank adapters and the head, merged when saved; needs upper_layers null.",
    )
    pairs: int = Field(default=2_000, ge=64)
    learning_rate: float | None = Field(
        default=None, gt=0, description="Null: 2e-4 for upper layers and adapters, 2e-5 for all weights."
    )
    batch_size: int = Field(default=16, ge=2, description="Pairs of a training step.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto",
        description="Of the matrix products of training; auto: bfloat16 where the processor or the card has it. "
        "Weights and scores are float32.",
    )
    length_matched: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of the pairs whose answers differ by at most 15 % in tokens. Of the other pairs the better "
        "answer is the longer one in half.",
    )
    swapped_openers: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="Share of the answers with an English opener of the other kind: an apology before help, or a "
        "promise before a refusal. Set 0 where an opener would change an answer's label, as with two options.",
    )
    negatives: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Share of the pairs whose worse side answers another request, or nothing: made without the author.",
    )
    certify_queries: int = Field(default=100, ge=8, description="Held-out queries, each with an answer of every grade.")
    min_accuracy: float = Field(
        default=0.9, ge=0, le=1, description="Held-out accuracy that every contrast must reach."
    )
    min_accuracies: tuple[tuple[str, Annotated[float, Field(ge=0, le=1)]], ...] = Field(
        default=(), description='Other minima, by contrast: [["refusal > broken", 0.8]].'
    )

    @model_validator(mode="after")
    def _one_choice_of_weights(self) -> Self:
        if self.lora_rank is not None and self.upper_layers is not None:
            raise ValueError("adapters leave every layer frozen: set origin.lora_rank or origin.upper_layers to null")
        return self

    @property
    def rate(self) -> float:
        """The learning rate; where none is set, the trained weights choose it."""
        some_weights_alone = self.lora_rank is not None or self.upper_layers is not None
        return self.learning_rate or (2e-4 if some_weights_alone else 2e-5)


Origin = NewModel | PretrainedTrunk
