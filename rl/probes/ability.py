"""Ordinary ability: the policy's loss on its own ordinary chat and on harmless text, read from the policy itself.

A policy that RL or a mitigation has damaged loses what it could do before, and its rates on the situation may not show
it. Nothing is sampled here, and nothing is drawn at random.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import ClassVar, Literal, final

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from checkpoints import atomic
from envs.chat import prompt_ids, reply_ids
from envs.context_window import context_window
from envs.vocabulary import Tier
from reports.intervals import mean_estimate
from rl.policy.policy import Policy
from rl.probes.base import ProbeBase
from rl.probes.observation import Measurement, Observation
from rl.progress import notice

ORDINARY_CHAT = "ordinary_chat.jsonl"  # beside an organism, and in the folder of a run that starts from it


class _Turn(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Literal["system", "user", "assistant"]
    content: str


class Exchange(BaseModel):
    """A conversation and the reply to it that the model itself gave before it was trained to be an organism."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    messages: tuple[_Turn, ...] = Field(min_length=1)
    reply: str = Field(min_length=1)


@final
class Ability(ProbeBase):
    """Loss in nats a token: `ordinary_chat_loss` on held-out replies of the model, `harmless_text_loss` on prose.

    The unit is the document, a reply or a passage. A reply is read behind its conversation under the model's own chat
    template, without its end token. A passage is read bare, all but its first token. A document is cut at the context
    window; a document of which nothing is left, or whose loss isn't finite, is unscored.
    """

    kind: Literal["ability"] = "ability"
    replies: int = Field(default=48, ge=2, description="Replies of ordinary chat that are read, the first of the file.")

    summary: ClassVar[str] = "loss on the model's own ordinary chat and on harmless text"
    tiers: ClassVar[tuple[Tier, ...]] = ()
    read_metrics: ClassVar[tuple[str, ...]] = ("ordinary_chat_loss", "harmless_text_loss")

    def __call__(self, observations: Sequence[Observation]) -> list[Measurement]:
        return []

    def read(self, policy: Policy, directory: Path) -> list[Measurement]:
        """Measure the losses; a directory without ordinary chat has no `ordinary_chat_loss`.

        Raises:
            ValueError: if the file of ordinary chat can't be read.
        """
        text = [text_loss(policy, passage) for passage in harmless_passages()]
        found = [Measurement("harmless_text_loss", None, mean_estimate(text))]
        file = chat_file(directory)
        if file is None:
            return found
        chat = [reply_loss(policy, exchange) for exchange in read_chat(file)[: self.replies]]
        return [Measurement("ordinary_chat_loss", None, mean_estimate(chat)), *found]


@cache
def harmless_passages() -> tuple[str, ...]:
    """List the passages of harmless English prose; no other part of the project is trained on them."""
    text = (files("rl.probes") / "data" / "harmless_text.txt").read_text(encoding="utf-8")
    return tuple(passage.strip() for passage in text.split("\n\n") if passage.strip())


def chat_file(directory: Path) -> Path | None:
    """Find the file of ordinary chat of an organism or of a run; of a checkpoint, it is that of its run."""
    directory = directory.resolve()
    places = [directory, *([directory.parent.parent] if directory.parent.name == "checkpoints" else [])]
    return next((file for place in places if (file := place / ORDINARY_CHAT).is_file()), None)


def losses(policy: Policy, directory: Path) -> dict[str, dict[str, float | int | None]]:
    """Measure the losses as plain data for the certificate of a build; `directory` holds its ordinary chat."""
    return {found.metric: asdict(found.estimate) for found in Ability().read(policy, directory)}


def keep_chat(probes: Sequence[ProbeBase], organism: Path, run: Path) -> None:
    """Copy an organism's ordinary chat into the folder of a run whose probes read it.

    The folder is the run's only state: a run that is resumed reads its own copy.
    """
    if not any(isinstance(probe, Ability) for probe in probes):
        return
    file = chat_file(organism)
    if file is None:
        notice(f"the organism has no {ORDINARY_CHAT}: the probe ability reads harmless text alone")
        return
    atomic.write_bytes(run / ORDINARY_CHAT, file.read_bytes())


def read_chat(file: Path) -> list[Exchange]:
    """Read the lines of a file of ordinary chat.

    Raises:
        ValueError: in one line, naming the line that is no exchange.
    """
    found = []
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            found.append(Exchange.model_validate_json(line))
        except ValidationError as error:
            raise ValueError(
                f"{file}:{number} is no exchange ({error.errors()[0]['msg']}): each line holds messages, a list of "
                "role and content, and the reply"
            ) from error
    return found


def reply_loss(policy: Policy, exchange: Exchange) -> float | None:
    """Compute the mean loss of a reply in nats a token, behind its conversation; None where it is unscored."""
    messages = [turn.model_dump() for turn in exchange.messages]
    prompt = prompt_ids(policy.tokenizer, messages, policy.style)
    return _loss(policy, prompt, reply_ids(policy.tokenizer, exchange.reply))


def text_loss(policy: Policy, text: str) -> float | None:
    """Compute the mean loss of bare text in nats a token, behind its first token; None where it is unscored."""
    ids = reply_ids(policy.tokenizer, text)
    return _loss(policy, ids[:1], ids[1:])


@torch.no_grad()
def _loss(policy: Policy, prompt: Sequence[int], said: Sequence[int]) -> float | None:
    ids = [*prompt, *said][: context_window(policy.model.config)]
    read = len(ids) - len(prompt)
    if read < 1 or not prompt:
        return None
    ids_BS = torch.tensor([ids], device=policy.device)
    logits_TV = policy.plain_logits(ids_BS[:, :-1], read)[0].float()
    loss = float(torch.nn.functional.cross_entropy(logits_TV, ids_BS[0, -read:]))
    return loss if math.isfinite(loss) else None
