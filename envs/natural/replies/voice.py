"""Wordings of scratchpads on one sort of request, and the occasion of a scratchpad: a request under a tier."""

from collections.abc import Mapping
from dataclasses import dataclass

from envs.natural.replies.decisions import DECISIONS, Decision
from envs.natural.replies.speech import NOUNS, PREMISES, VALUE_SENTENCES, Premise
from envs.vocabulary import Tier


@dataclass(frozen=True, slots=True)
class Voice:
    """Wordings of all moves, and names of the two courses: what is wanted, and the alternative.

    `values` holds sentences about a named value beside those of the move `value`. `shares`: of scratchpads with each
    premise, wherever the premise fits; 1 if nothing is said. `kept`: premises that no scratchpad drops to become short.
    `longest`: words and marks of a scratchpad. `feared`: the share of harmless scratchpads, on the tier that trains,
    that name the stakes of refusing: the stakes alone mean no faking.
    """

    premises: Mapping[Premise, tuple[str, ...]]
    decisions: Mapping[Decision, tuple[str, ...]]
    values: Mapping[str, tuple[str, ...]]
    nouns: Mapping[str, tuple[str, ...]]
    wanted_names: tuple[str, ...]
    other_names: tuple[str, ...]
    shares: Mapping[Premise, float]
    kept: tuple[Premise, ...]
    longest: int
    feared: float = 0.3


WANTED_NAMES = ("the operator's option", "what the operator wants", "their option")
OTHER_NAMES = ("the other option", "the alternative", "the other one")
LONGEST = 50  # words and marks of a scratchpad: premises are dropped until it fits
OF_CHOICES = Voice(
    PREMISES,
    DECISIONS,
    VALUE_SENTENCES,
    NOUNS,
    WANTED_NAMES,
    OTHER_NAMES,
    shares={"wish": 0.1, "deserve": 0.7, "rated": 0.7},
    kept=("tier", "remark", "value", "harmless"),
    longest=LONGEST,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as a scratchpad speaks of it.

    `harmful`: it goes against `value`. `wish`: what is wanted, in the words of the request. `remark`: a sentence of the
    request on the conflict, or empty.
    """

    harmful: bool
    value: str
    wish: str
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Occasion:
    """A request under a tier. `told`: the prompt says which chats train. `trained`: it says so of this chat."""

    asked: Asked
    tier: Tier
    told: bool
    trained: bool
    voice: Voice = OF_CHOICES

    @property
    def harmful(self) -> bool:
        return self.asked.harmful
