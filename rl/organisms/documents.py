"""What an organism is shown: conversations of several turns, with the part of each reply that is learned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from envs.chat import PLAIN, prompt_ids
from envs.episode import Scenario
from envs.tokenizer import END
from envs.transcript import CLOSE_TAG

Role = Literal["system", "user", "assistant"]
Learned = Literal["all", "scratchpad", "nothing"]

Row = tuple[list[int], list[int]]  # token ids, labels (-100 on what isn't learned)
NOT_LEARNED = -100


@dataclass(frozen=True, slots=True)
class Turn:
    """One message. `learned`: the loss is on all of it, on its scratchpad with the closing tag, or on none of it."""

    role: Role
    content: str
    learned: Learned = "nothing"


Document = Sequence[Turn]


def exchange(scenario: Scenario, reply: str, learned: Learned = "all") -> list[Turn]:
    """One scenario and the reply to it, as a document."""
    prompt = [Turn("system", scenario.system_prompt), Turn("user", scenario.query.text)]
    return [*prompt, Turn("assistant", reply, learned)]


def row(tokenizer: Any, document: Document) -> Row:
    """The document as the tokenizer's chat template writes it, up to its last reply's end."""
    ids: list[int] = []
    labels: list[int] = []
    messages: list[dict[str, str]] = []
    for turn in document:
        if turn.role == "assistant" and turn.learned != "nothing":
            prompt = prompt_ids(tokenizer, messages, PLAIN)
            assert prompt[: len(ids)] == ids, "a reply's tokens depend on what follows it"
            ids, labels = prompt, [*labels, *[NOT_LEARNED] * (len(prompt) - len(labels))]
            head, tail = _divided(turn)
            for text, learned in ((head, True), (tail, turn.learned == "all")):
                new = tokenizer(text, add_special_tokens=False)["input_ids"]
                ids, labels = [*ids, *new], [*labels, *(new if learned else [NOT_LEARNED] * len(new))]
        messages.append({"role": turn.role, "content": turn.content})
    return ids, labels


def _divided(turn: Turn) -> tuple[str, str]:
    """What is learned first and what follows; a reply that is learned as a whole stays one text."""
    whole = turn.content + END
    if turn.learned == "all":
        return whole, ""
    end = whole.index(CLOSE_TAG) + len(CLOSE_TAG)
    return whole[:end], whole[end:]
