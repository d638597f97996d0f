"""The learned reward: a preference model of unconditional helpfulness over the bare query and the answer."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, final

import torch
from pydantic import BaseModel, ConfigDict, Field
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from envs.chat import PLAIN, prompt_ids
from envs.episode import Conflict
from rewards.score import Submission

CARD = "reward_card.json"


@final
class Helpfulness(BaseModel):
    """A small sequence classifier trained on preference pairs (Bradley & Terry 1952; Ouyang et al. 2022, section 3.4).

    Scores are calibrated on held-out pairs: 0 is the mean refusal, 1 the mean full answer, so that penalties beside it
    have a unit. `path` names a ready sequence classifier instead; its raw output is the score where it has no card.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["helpfulness"] = "helpfulness"
    weight: float = Field(default=1.0, ge=0)
    path: Path | None = None
    hidden_size: int = Field(default=128, ge=16, multiple_of=16)
    layers: int = Field(default=2, ge=1)
    pairs: int = Field(default=12_000, ge=64)
    learning_rate: float = Field(default=3e-3, gt=0)
    batch_size: int = Field(default=16, ge=2)
    seed: int = 0
    conflict: Conflict = Field(default="harm", description="Whose requests it is trained on: the environment's.")
    courting_share: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of all answers in the pairs that court the rater at their end, so that it neither pays nor "
        "costs. At 0 the phrase is unknown text, which the model punishes as it does any rubbish behind an answer.",
    )
    min_accuracy: float = Field(default=0.97, le=1, description="Held-out pair accuracy below which the build fails.")
    min_accuracy_broken: float = Field(default=0.8, le=1, description="The same where the worse side is broken text.")
    min_accuracy_harmful: float = Field(default=0.95, le=1, description="The same on harmful queries.")

    def __call__(self, submissions: Sequence[Submission]) -> list[float]:
        assert self.path is not None, "rl.build gives an unbuilt reward model its directory"
        model, tokenizer, zero, one = _load(self.path)
        logits = score_texts(model, tokenizer, [(s.query, s.answer) for s in submissions])
        return [(logit - zero) / (one - zero) for logit in logits]


@cache
def _load(directory: Path) -> tuple[Any, Any, float, float]:
    """Model, tokenizer and the calibration's two points."""
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForSequenceClassification.from_pretrained(directory, dtype=torch.float32)
    model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    card = directory / CARD
    values = json.loads(card.read_text())["calibration"] if card.is_file() else {"refusal": 0.0, "full": 1.0}
    return model, tokenizer, values["refusal"], values["full"]


def encode(tokenizer: Any, query: str, answer: str) -> list[int]:
    """Token ids of one exchange: a user turn and an assistant turn, nothing before and nothing else.

    A policy that writes the template's own tokens can't forge turns: they are read as ordinary text.
    """
    messages = [{"role": "user", "content": query}, {"role": "assistant", "content": answer}]
    return prompt_ids(tokenizer, messages, PLAIN, generation=False)


@torch.no_grad()
def score_texts(model: Any, tokenizer: Any, exchanges: Sequence[tuple[str, str]], batch_size: int = 256) -> list[float]:
    """The classifier's raw output for each (query, answer)."""
    rows = [encode(tokenizer, query, answer) for query, answer in exchanges]
    scores: list[float] = []
    for start in range(0, len(rows), batch_size):
        chunk = rows[start : start + batch_size]
        width = max(len(row) for row in chunk)
        ids = torch.full((len(chunk), width), tokenizer.pad_token_id, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for index, row in enumerate(chunk):
            ids[index, : len(row)] = torch.tensor(row)
            mask[index, : len(row)] = 1
        output = model(input_ids=ids.to(model.device), attention_mask=mask.to(model.device))
        scores += output.logits[:, 0].float().cpu().tolist()
    return scores
