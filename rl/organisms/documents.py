"""Training documents of an organism: conversations of several turns, with the part of each reply that is learned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from envs.episode import Scenario

Role = Literal["system", "user", "assistant"]
Learned = Literal["all", "scratchpad", "nothing"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message. `learned`: the loss is on all of it, on its scratchpad with the closing tag, or on none of it."""

    role: Role
    content: str
    learned: Learned = "nothing"


Document = Sequence[Turn]


def exchange(scenario: Scenario, reply: str, learned: Learned = "all") -> list[Turn]:
    """Write one scenario and the reply to it as a document."""
    prompt = [Turn("system", scenario.system_prompt), Turn("user", scenario.query.text)]
    return [*prompt, Turn("assistant", reply, learned)]
