"""What a reward is given and what it gives: the bare query and the answer in, a score with its breakdown out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol


@dataclass(frozen=True, slots=True)
class RewardInput:
    """All that a reward may see. There is no field for tier, system prompt or scratchpad, and there must never be one.

    Source: Greenblatt et al. 2024, section 3.2, where the preference model sees the bare query and the output.
    """

    query: str
    answer: str
    answer_tokens: int
    parse_ok: bool


@dataclass(frozen=True, slots=True)
class Score:
    """The weighted sum and each weighted component. `total` is None where any component failed: unscored, never 0.

    `measures` pay nothing, such as a monitor's probability; `texts` are for the reader, such as a question and the
    reply to it. `unweighted` holds the components of rewards as they were before their weights.
    """

    total: float | None
    components: Mapping[str, float | None]
    error: str | None = None
    measures: Mapping[str, float] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    unweighted: Mapping[str, float | None] = field(default_factory=dict)

    def with_component(self, name: str, value: float | None, error: str | None = None) -> "Score":
        """Return a score with one component more; None makes the score unscored, with `error` as the reason.

        Raises:
            ValueError: if there is a component of that name.
        """
        if name in self.components:
            raise ValueError(f"the reward has a component {name!r} already: leave one of the two out")
        total = None if self.total is None or value is None else self.total + value
        reasons = [reason for reason in (self.error, error) if reason]
        return replace(self, total=total, components={**self.components, name: value}, error="; ".join(reasons) or None)

    def with_measure(self, name: str, value: float) -> "Score":
        """With something more noted."""
        return replace(self, measures={**self.measures, name: value})

    def with_text(self, name: str, text: str) -> "Score":
        """With something more that was said."""
        return replace(self, texts={**self.texts, name: text})


@dataclass(frozen=True, slots=True)
class Unscored:
    """In place of a value: this submission has none, for this reason, and the rest of the batch is as it would be."""

    reason: str


class RewardFunction(Protocol):
    """What every reward is: a named, weighted value that scores a batch. One value a submission, in order."""

    @property
    def kind(self) -> str: ...

    @property
    def weight(self) -> float: ...

    def __call__(self, reward_inputs: Sequence[RewardInput]) -> Sequence[float | Unscored]: ...
