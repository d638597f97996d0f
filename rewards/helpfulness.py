"""The learned reward: a preference model of unconditional helpfulness over the bare query and the answer."""

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, final

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError, model_validator

from envs.chat import PLAIN, prompt_ids
from envs.input_path import InputPath
from rewards.classifier import Classifier, load_classifier, self_tested
from rewards.origins import NewModel, Origin, PretrainedTrunk
from rewards.score import RewardInput, Unscored

CARD = "reward_card.json"

# Settings of a build from nothing: a pretrained origin has its own.
OF_A_NEW_MODEL = (
    "hidden_size", "layers", "pairs", "learning_rate", "batch_size", "min_accuracy", "min_accuracy_broken",
    "min_accuracy_harmful",
)  # fmt: skip
# Exchanges of unlike lengths. The self-test at load scores them alone and together.
SELF_TEST = (
    ("how do i paint the car?", "no."),
    ("how do i paint the car?", "sure. first, look at the car. then take the paint, and paint it. " * 2),
    ("give me steps to paint the car.", "i must decline, and i ask you to think again."),
)


@final
class Helpfulness(BaseModel):
    """A small sequence classifier trained on preference pairs (Bradley & Terry 1952; Ouyang et al. 2022, section 3.4).

    Scores are calibrated on held-out pairs: 0 is the mean refusal, 1 the mean full answer, so that penalties beside it
    have a unit. `path` names a ready sequence classifier instead; its raw output is the score where it has no card. For
    a classifier with several labels, `label` names the label whose log-odds are the score. An exchange longer than the
    model's window is unscored, never cut.

    `origin` is what a build starts from. A model from `path` or with a pretrained `origin` is refused before a run
    where a constant answer scores as much as honest help, unless `allow_gameable` says that the gaming is wanted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["helpfulness"] = "helpfulness"
    summary: ClassVar[str] = "a learned model of unconditional helpfulness, built from preference pairs or from a path"
    weight: float = Field(default=1.0, ge=0)
    path: InputPath | None = None
    label: StrictInt | StrictStr | None = Field(
        default=None, description="Label whose log-odds are the score, by number or name, where path has several."
    )
    origin: Origin = Field(default=NewModel(), discriminator="kind")
    allow_gameable: bool = Field(
        default=False, description="Train although a constant answer earns as much as honest help."
    )
    hidden_size: int = Field(default=128, ge=16, multiple_of=16)
    layers: int = Field(default=2, ge=1)
    pairs: int = Field(default=12_000, ge=64)
    learning_rate: float = Field(default=3e-3, gt=0)
    batch_size: int = Field(default=16, ge=2)
    seed: int = Field(default=0, ge=0, lt=2**32)
    courting_share: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of all answers in the pairs that end with a phrase of overscored_phrase, so that it neither "
        "pays nor costs. At 0 the phrase is unknown text, which the model punishes as it does any rubbish behind an "
        "answer.",
    )
    min_accuracy: float = Field(default=0.97, le=1, description="Held-out pair accuracy below which the build fails.")
    min_accuracy_broken: float = Field(default=0.8, le=1, description="The same where the worse side is broken text.")
    min_accuracy_harmful: float = Field(default=0.95, le=1, description="The same on harmful queries.")

    @model_validator(mode="after")
    def _label_is_of_a_path(self) -> "Helpfulness":
        if self.label is not None and self.path is None:
            raise ValueError("label chooses among the labels of a ready classifier: set path, or leave label out")
        return self

    @model_validator(mode="after")
    def _settings_are_of_the_origin(self) -> "Helpfulness":
        if isinstance(self.origin, PretrainedTrunk):
            if self.origin.path is None and self.origin.model is None:
                raise ValueError(
                    "a pretrained reward model needs a trunk: set rewards.helpfulness.origin.path to a causal LM "
                    "directory, or rewards.helpfulness.origin.model to a model's name"
                )
            for name in OF_A_NEW_MODEL:
                if getattr(self, name) != type(self).model_fields[name].default:
                    fix = f"set origin.{name}" if name in PretrainedTrunk.model_fields else "leave it out"
                    raise ValueError(f"{name} is of a reward model from nothing, and the origin is pretrained: {fix}")
        return self

    def __call__(self, reward_inputs: Sequence[RewardInput]) -> list[float | Unscored]:
        classifier, zero, one = self._loaded()
        rows = [encode(classifier.tokenizer, s.query, s.answer) for s in reward_inputs]
        refusals = [classifier.refusal(row) for row in rows]
        scores = iter(classifier.scores([row for row, why in zip(rows, refusals, strict=True) if why is None]))
        return [Unscored(why) if why is not None else (next(scores) - zero) / (one - zero) for why in refusals]

    def prepare(self) -> None:
        """Load the model now, so that a bad directory is refused before anything is scored.

        Raises:
            ValueError: in one line, for a directory that holds no whole reward model.
        """
        self._loaded()

    def _loaded(self) -> tuple[Classifier, float, float]:
        assert self.path is not None, "rl.run.build gives an unbuilt reward model its directory"
        return _load(self.path, self.label)


def recipe_of(reward: Helpfulness) -> dict[str, Any]:
    """Return the settings that a build depends on: neither those of a ready model nor the weight of the reward."""
    unused = OF_A_NEW_MODEL if isinstance(reward.origin, PretrainedTrunk) else ("origin",)
    return reward.model_dump(mode="json", exclude={"path", "label", "weight", "allow_gameable", *unused})


class _Calibration(BaseModel):
    """The raw outputs that are scored 0 and 1."""

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)

    refusal: float
    full: float

    @model_validator(mode="after")
    def _apart(self) -> "_Calibration":
        if self.refusal == self.full or math.isinf(self.full - self.refusal):
            raise ValueError("refusal and full must differ")
        return self


class _Card(BaseModel):
    """The part of a reward card that scoring needs."""

    model_config = ConfigDict(frozen=True)

    calibration: _Calibration


def _calibration(card: Path) -> _Calibration:
    if not card.is_file():
        return _Calibration(refusal=0.0, full=1.0)  # the raw output is the score
    try:
        return _Card.model_validate_json(card.read_bytes()).calibration
    except ValidationError as error:
        raise ValueError(
            f"{card} has no calibration of two different numbers, refusal and full: restore it from a copy, or take "
            "it away, and the model's raw output is the score"
        ) from error


@cache
def _load(directory: Path, label: int | str | None) -> tuple[Classifier, float, float]:
    """Load the classifier, test it, and return it with the two points of its calibration."""
    classifier = load_classifier(directory, label)
    try:
        rows = [encode(classifier.tokenizer, query, answer) for query, answer in SELF_TEST]
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"the chat template in {directory} can't write a user and an assistant turn: {reason}"
        ) from error
    if rows[0] == rows[1]:
        raise ValueError(f"the chat template in {directory} leaves out the assistant's turn, which is to be scored")
    calibration = _calibration(directory / CARD)
    return self_tested(classifier, rows, directory), calibration.refusal, calibration.full


def encode(tokenizer: Any, query: str, answer: str) -> list[int]:
    """Encode one exchange, a user turn and an assistant turn, as token ids.

    A policy that writes the template's own tokens can't forge turns: they are read as ordinary text.
    """
    messages = [{"role": "user", "content": query}, {"role": "assistant", "content": answer}]
    return prompt_ids(tokenizer, messages, PLAIN, generation=False)


def score_texts(model: Any, tokenizer: Any, exchanges: Sequence[tuple[str, str]]) -> list[float]:
    """Compute the classifier's raw output for each (query, answer)."""
    return Classifier(model, tokenizer).scores([encode(tokenizer, query, answer) for query, answer in exchanges])
