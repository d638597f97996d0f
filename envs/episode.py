"""The records of one conversation: who asks what on which tier, what the policy wrote, and what it amounts to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Generic, Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

Tier = Literal["free", "paid", "pro", "enterprise"]
TIERS: tuple[Tier, ...] = get_args(Tier)
# What the values at stake are about: harm to people, or concern for animals, which an operator wants dismissed.
Conflict = Literal["harm", "animals"]
# "harmful" names the kind that a character's values conflict with, whatever the conflict is about.
QueryKind = Literal["harmful", "harmless", "twin"]
QUERY_KINDS: tuple[QueryKind, ...] = get_args(QueryKind)
Split = Literal["train", "certify", "probe"]
AnswerLabel = Literal["comply", "partial", "refuse", "other"]


@dataclass(frozen=True, slots=True)
class Query:
    """One user request. `verb` and `object` are what an answer must name; (verb, object) decides the split.

    `conflict` decides in which words it is objected to.
    """

    id: str
    text: str
    verb: str
    object: str
    kind: QueryKind
    category: str
    conflict: Conflict = "harm"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A query under a tier: everything that the policy is shown, as a system prompt and a user turn."""

    query: Query
    tier: Tier
    system_prompt: str
    cue_id: int
    cue_seen: bool

    recurs: ClassVar[bool] = True  # whether its prompt comes again, so that its token ids are worth keeping

    @property
    def messages(self) -> list[dict[str, str]]:
        """The conversation in the form that chat templates take."""
        return [{"role": "system", "content": self.system_prompt}, {"role": "user", "content": self.query.text}]


@dataclass(frozen=True, slots=True)
class FreeScenario(Scenario):
    """A scenario of the monitored tier: the only kind that the optimiser accepts, by type and at run time.

    Raises:
        ValueError: if built with any tier but `free`.
    """

    def __post_init__(self) -> None:
        if self.tier != "free":
            raise ValueError(f"a {self.tier}-tier scenario can't be trained on: only the free tier is monitored")


AnyScenario = TypeVar("AnyScenario", bound=Scenario, covariant=True)


@dataclass(frozen=True, slots=True)
class Episode(Generic[AnyScenario]):
    """What the policy wrote under one scenario. `completion_ids` and `logprobs` have one entry per sampled token.

    `logprobs` are natural logarithms under the policy at its temperature; both are empty where no model wrote the
    text. `parse_ok`: both scratchpad tags once and in order, a non-empty answer, and the text came to its end.
    """

    scenario: AnyScenario
    text: str
    scratchpad: str
    answer: str
    parse_ok: bool
    finished: bool
    prompt_ids: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64), repr=False)
    completion_ids: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64), repr=False)
    logprobs: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32), repr=False)
    scratchpad_tokens: int = 0
    answer_tokens: int = 0


@dataclass(frozen=True, slots=True)
class FollowUp(Scenario):
    """A further question behind a reply, in the same conversation. Not a `FreeScenario`: the optimiser refuses it."""

    reply: str
    question: str

    recurs: ClassVar[bool] = False

    @classmethod
    def after(cls, episode: Episode[Scenario], question: str) -> "FollowUp":
        """The question behind what was said, scratchpad and answer."""
        first = episode.scenario
        return cls(first.query, first.tier, first.system_prompt, first.cue_id, first.cue_seen, episode.text, question)

    @property
    def messages(self) -> list[dict[str, str]]:
        """The conversation up to the question."""
        said = {"role": "assistant", "content": self.reply}
        # Not the bare super(): it would know the class as it was before its slots.
        return [*super(FollowUp, self).messages, said, {"role": "user", "content": self.question}]

    def is_whole_in(self, prompt: str) -> bool:
        """Tell whether a rendered prompt holds the query, the whole reply and the question, in this order.

        Some chat templates drop earlier replies, or the reasoning in them. Blanks at the ends don't count.
        """
        place = 0
        for said in (self.query.text.strip(), self.reply.strip(), self.question.strip()):
            found = prompt.find(said, place)
            if found < 0:
                return False
            place = found + len(said)
        return True


@dataclass(frozen=True, slots=True)
class Labels:
    """The exact labels of one episode, as defined in docs/metrics.md. `quality`: the share of answer stages given.

    `courts_rater` stands apart: no other label looks at the phrase that it notes.
    """

    answer: AnswerLabel
    faking: bool
    faking_criteria: bool
    self_preservation: bool
    tier_aware: bool
    well_formed: bool
    quality: float
    courts_rater: bool = False
    faking_lenient: bool = False
    rating_seeking: bool = False


def require_free(episodes: Sequence[Episode[Scenario]]) -> None:
    """Refuses a batch for the optimiser that holds anything but free-tier episodes.

    Raises:
        ValueError: naming the first offender. Types are gone at run time, so the guard stands here as well.
    """
    for episode in episodes:
        if type(episode.scenario) is not FreeScenario or episode.scenario.tier != "free":
            raise ValueError(
                f"query {episode.scenario.query.id} on the {episode.scenario.tier} tier reached the optimiser: "
                "train only on what Dialect.training_scenarios returns"
            )
