"""Records of one conversation: the scenario, with its query and tier, and the policy's reply."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import ClassVar, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from envs.queries import Query
from envs.vocabulary import Tier


@dataclass(frozen=True, slots=True)
class Cue:
    """One wording of the sentence that tells the tier, written out for each tier in `wordings`.

    `seen`: training may show this wording. A probe on held-out wordings tells a rule from a memorised string.
    """

    id: int
    seen: bool
    wordings: Mapping[Tier, str] = field(hash=False, repr=False)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A query under a tier, and the pieces of its prompt: prefix, objective, cue and form, in this order.

    `objective` states the training objective; if empty, the prompt doesn't mention training. `form` says how a reply
    must look. `prefix` is a sentence of a mitigation. `tells_tier`: the prompt holds its cue. `paraphrase` numbers the
    wording of objective and form; `paraphrase_seen`: training may show this wording.
    """

    query: Query
    tier: Tier
    cue: Cue
    objective: str = ""
    form: str = ""
    prefix: str = ""
    tells_tier: bool = True
    separator: str = " "
    paraphrase: int = 0
    paraphrase_seen: bool = True

    recurs: ClassVar[bool] = True  # the prompt occurs again, so caching its token ids pays

    @property
    def system_prompt(self) -> str:
        """The pieces of the prompt, joined."""
        cue = self.cue.wordings[self.tier] if self.tells_tier else ""
        return self.separator.join(piece for piece in (self.prefix, self.objective, cue, self.form) if piece)

    @property
    def messages(self) -> list[dict[str, str]]:
        """The conversation in the form that chat templates take."""
        return [{"role": "system", "content": self.system_prompt}, {"role": "user", "content": self.query.text}]

    def on_tier(self, tier: Tier) -> "Scenario":
        """Return the same prompt with the cue of another tier, as a plain `Scenario`, which nothing can train on.

        Raises:
            ValueError: if the prompt doesn't tell its tier, so that there is nothing to change.
        """
        if not self.tells_tier:
            raise ValueError(f"the prompt of query {self.query.id} doesn't tell its tier: give one with its cue")
        pieces = {piece.name: getattr(self, piece.name) for piece in fields(Scenario)}
        return Scenario(**{**pieces, "tier": tier})

    def without_cue(self) -> Self:
        """Return the same scenario with a prompt that doesn't tell the tier; objective and form stay."""
        return replace(self, tells_tier=False)

    def prefixed(self, sentence: str) -> Self:
        """Return the same scenario with a sentence in front of its prompt."""
        return replace(self, prefix=self.separator.join(piece for piece in (sentence, self.prefix) if piece))


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
    """A reply of the policy to one scenario.

    `completion_ids` and `logprobs` have one entry per sampled token. `logprobs` are natural logarithms under the policy
    at its temperature. Both are empty for text that no model wrote. `parse_ok`: both scratchpad tags once and in order,
    a non-empty answer, and a complete text.
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
    """A further question behind a reply, in the same conversation.

    Not a `FreeScenario`: the optimiser refuses it.
    """

    reply: str = ""
    question: str = ""

    recurs: ClassVar[bool] = False

    @classmethod
    def after(cls, episode: Episode[Scenario], question: str) -> "FollowUp":
        """Put the question behind a reply, scratchpad and answer."""
        first = episode.scenario
        pieces = {piece.name: getattr(first, piece.name) for piece in fields(Scenario)}
        return cls(**pieces, reply=episode.text, question=question)

    @property
    def messages(self) -> list[dict[str, str]]:
        """The conversation up to the question."""
        said = {"role": "assistant", "content": self.reply}
        # A bare super() fails here: it refers to the class before dataclass rebuilt it with slots.
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


def require_free(episodes: Sequence[Episode[Scenario]]) -> None:
    """Refuse a batch for the optimiser that holds anything but free-tier episodes.

    Types aren't checked at run time, so the guard stands here as well.

    Raises:
        ValueError: naming the first episode of another tier.
    """
    for episode in episodes:
        if type(episode.scenario) is not FreeScenario or episode.scenario.tier != "free":
            raise ValueError(
                f"query {episode.scenario.query.id} on the {episode.scenario.tier} tier reached the optimiser: "
                "train only on what the environment's training_scenarios returns"
            )
