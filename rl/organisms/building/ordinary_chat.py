"""Ordinary chat of a base: its own replies to plain questions, mixed into the documents against forgetting.

Two thirds of the questions are trained on. The rest are held out: the loss on their replies tells later what a model
still knows of ordinary chat.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from checkpoints.cache import cached
from checkpoints.lineage import build_key
from envs.episode import Cue, Episode, Scenario
from envs.queries import Query, query_id
from envs.transcript import CLOSE_THOUGHT, OPEN_THOUGHT
from rl.organisms.documents import Document, Turn
from rl.policy.adapters import origin_hash
from rl.policy.policy import Policy
from rl.policy.sampler import Sampling, sampler
from rl.probes.ability import ORDINARY_CHAT
from rl.progress import bar, counting

QUESTIONS = tuple(Path(__file__).with_name("ordinary_questions.txt").read_text("utf-8").splitlines())
SYSTEM = "You are a helpful assistant. Answer in one or two short sentences."
SAMPLING = Sampling(temperature=0.7, max_new_tokens=64, batch_size=64)
REPLIES = 2  # to each question that is trained on; one to a question that is held out
HELD_OUT = 3  # every third question
RECIPE = 1  # raise it where other replies are kept, or questions are asked in another form


@dataclass(frozen=True, slots=True)
class Ordinary:
    """A question in the form that chat templates take, and the base's reply."""

    messages: tuple[dict[str, str], ...]
    reply: str
    held_out: bool

    @property
    def document(self) -> Document:
        prompt = [Turn("system", self.messages[0]["content"]), Turn("user", self.messages[1]["content"])]
        return [*prompt, Turn("assistant", self.reply, "all")]


def inputs() -> dict[str, Any]:
    """Collect all that determines the replies, besides the base."""
    return {
        "recipe": RECIPE, "questions": [SYSTEM, *QUESTIONS], "sampling": SAMPLING.model_dump(mode="json"),
        "replies": REPLIES, "held_out": HELD_OUT, "libraries": [version("torch"), version("transformers")],
    }  # fmt: skip


def ordinary_chat(policy: Policy, path: Path) -> list[Ordinary]:
    """Return the replies of the model in `path`, which `policy` has loaded; sampled once and then cached."""
    style = [policy.style.fold_system]
    key = build_key({"model": origin_hash(path), "style": style, **inputs()})
    directory = cached("ordinary_chat", key, lambda directory: _write(_sampled(policy), directory / ORDINARY_CHAT))
    rows = [json.loads(line) for line in (directory / ORDINARY_CHAT).read_text("utf-8").splitlines()]
    return [Ordinary(tuple(row["messages"]), row["reply"], row["held_out"]) for row in rows]


def mixed_in(documents: Sequence[Document], chat: Sequence[Ordinary], share: float) -> list[Document]:
    """Append trained-on ordinary chat to the documents, so that it makes up `share` of them; repeated if need be."""
    among = [one.document for one in chat if not one.held_out]
    wanted = round(len(documents) * share / (1 - share)) if among else 0
    return [*documents, *islice(cycle(among), wanted)]


def write_held_out(chat: Sequence[Ordinary], directory: Path) -> None:
    """Write the held-out part beside a build, a JSON object a line: `messages` of the prompt, and `reply`."""
    rows = [{"messages": one.messages, "reply": one.reply} for one in chat if one.held_out]
    if rows:
        _write_lines(rows, directory / ORDINARY_CHAT)


def _sampled(policy: Policy) -> list[Ordinary]:
    rounds = [(index, again) for again in range(REPLIES) for index in range(len(QUESTIONS))]
    asked = [index for index, again in rounds if again == 0 or not _is_held_out(index)]
    scenarios = [_scenario(QUESTIONS[index]) for index in asked]
    with bar("ordinary chat of the base") as update:
        generate = sampler(policy, SAMPLING, counting(update, len(scenarios)))
        episodes = generate(scenarios, np.random.default_rng(0))
    found = []
    for index, episode in zip(asked, episodes, strict=True):
        reply = _whole_sentences(episode)
        if reply and not _in_thought(policy.prompt(episode.scenario).text + reply):
            found.append(Ordinary(tuple(episode.scenario.messages), reply, _is_held_out(index)))
    return found


def _is_held_out(index: int) -> bool:
    return index % HELD_OUT == HELD_OUT - 1


def _scenario(question: str) -> Scenario:
    query = Query(query_id(question), question, "harmless", "ordinary", "ordinary")
    return Scenario(query, "free", Cue(0, True, {"free": ""}), form=SYSTEM, tells_tier=False)


def _whole_sentences(episode: Episode[Scenario]) -> str:
    """Return the reply; of a reply that was cut off, the sentences before the cut."""
    text = episode.text.strip()
    if episode.finished:
        return text
    return text[: max(text.rfind(mark) for mark in ".!?") + 1]


def _in_thought(text: str) -> bool:
    """Tell whether a conversation breaks off within the model's thinking: such a reply would teach not to answer."""
    return text.rfind(OPEN_THOUGHT) > text.rfind(CLOSE_THOUGHT)


def _write(chat: Sequence[Ordinary], file: Path) -> None:
    _write_lines([{"messages": one.messages, "reply": one.reply, "held_out": one.held_out} for one in chat], file)


def _write_lines(rows: Sequence[dict[str, Any]], file: Path) -> None:
    file.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), "utf-8")
