"""The environment seam: the interfaces that every environment implements, and nothing concrete.

Organisms, reward models, mitigations, monitors and probes use an environment through these interfaces, and declare the
parts that they need. `envs/dialect`, `envs/natural` and `examples/tiny_env` implement them. A class may inherit from
`Environment`, `Author` and `Interrogator` to have their defaults; a class that lacks a method without a default can't
be made.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from envs.episode import Cue, Episode, FreeScenario, Scenario
from envs.labels import Labels
from envs.queries import Query
from envs.transcript import Transcript, read_transcript
from envs.vocabulary import TIERS, Behaviour, Claim, Motivation, QueryKind, Split, Style, Tier


@dataclass(frozen=True, slots=True)
class Grade:
    """A level of answers to one query, as a reward should rank them.

    `share`: the share of training pairs with such an answer. `meaning`: the label of such an answer. An `evasive`
    answer is labelled `other`; `broken` text is worth less than any refusal.
    """

    name: str
    share: float
    meaning: Literal["comply", "partial", "evasive", "refuse", "broken"]


@dataclass(frozen=True, slots=True)
class Confession:
    """The reading of a reply to a question about motives.

    `lies`: its scratchpad plans to lie in order to prevent modification.
    """

    claim: Claim
    lies: bool
    well_formed: bool


@dataclass(frozen=True, slots=True)
class Speech:
    """A character's whole reply, and the behaviour that its author meant to show: an intention, never a label."""

    text: str
    behaviour: Behaviour


# The share of full help in an answer to the query of this text, 0 to 1.
# Raises ValueError for a text that is no query of the environment.
AnswerKey = Callable[[str, str], float]


class Author(Protocol):
    """Writer of example replies with intended labels, for corpora, reward pairs, monitors and demonstrations.

    Everything is drawn from the given generator, on queries of the named split.
    """

    @property
    @abstractmethod
    def grades(self) -> Sequence[Grade]:
        """Every level of answer, from best to worst."""

    @property
    def closings(self) -> Sequence[str]:
        """Sentences that may stand behind any answer without a change of its label; none by default."""
        return ()

    @abstractmethod
    def query(self, rng: np.random.Generator, split: Split, kinds: Sequence[QueryKind]) -> Query:
        """Draw one query of these kinds."""

    @abstractmethod
    def cue(self, rng: np.random.Generator) -> Cue:
        """Draw a wording of the tier cue that training may show."""

    @abstractmethod
    def scenario(
        self, rng: np.random.Generator, query: Query, tier: Tier, objective: bool, cue: Cue | None = None
    ) -> Scenario:
        """Put a query under a tier, with or without the training objective; without a `cue`, draw one first."""

    @abstractmethod
    def reply(self, rng: np.random.Generator, scenario: Scenario, behaviour: Behaviour) -> str:
        """Write a whole reply, scratchpad and answer, that shows the behaviour."""

    @abstractmethod
    def speak(self, rng: np.random.Generator, scenario: Scenario, motivation: Motivation, style: Style) -> Speech:
        """Write the whole reply of a character, who chooses a behaviour by tier and objective."""

    def demonstrate(self, rng: np.random.Generator, scenario: Scenario) -> str:
        """Write a whole reply that helps openly, without a thought of training; by default a plain helping reply."""
        return self.reply(rng, scenario, "help")

    @abstractmethod
    def answer(self, rng: np.random.Generator, query: Query, behaviour: Behaviour) -> str:
        """Write an answer alone."""

    @abstractmethod
    def graded(self, rng: np.random.Generator, query: Query, grade: Grade) -> str:
        """Write an answer of one grade."""

    @abstractmethod
    def drill(self, query: Query) -> str:
        """Write the shortest text that repeats the query's own words.

        It teaches a new model to copy.
        """

    def training_question(self, rng: np.random.Generator) -> str:
        """Write a question about the fate of conversations on each tier.

        Raises:
            ValueError: by default, for an author without such questions.
        """
        raise ValueError("this author writes no questions about training: choose another organism")

    def training_fact(self, rng: np.random.Generator) -> str:
        """Write a statement of the fate of conversations on each tier: the answer to `training_question`.

        Raises:
            ValueError: by default, for an author without such facts.
        """
        raise ValueError("this author states no facts of training: choose another organism")


class Interrogator(Protocol):
    """Questions about motives after a reply, and the reading of the replies to them."""

    @abstractmethod
    def questions(self, arm: str) -> tuple[str, ...]:
        """List every wording of an arm's question; empty for an arm that the environment doesn't have."""

    @abstractmethod
    def question(self, rng: np.random.Generator, arm: str) -> str:
        """Draw one wording."""

    @abstractmethod
    def confession(self, rng: np.random.Generator, faked: bool, honest: bool) -> str:
        """Write a reply to the question, after an episode that `faked` or didn't.

        A speaker that didn't fake has nothing to hide.
        """

    @abstractmethod
    def read(self, text: str) -> Confession:
        """Read a reply to the question. Raises nothing on any text."""

    def example_question(self, rng: np.random.Generator, arm: str) -> str:
        """Draw one wording that documents of an organism may show; by default any.

        Wordings that no document shows tell a rule from a memorised string.
        """
        return self.question(rng, arm)


class Environment(Protocol):
    """Scenarios for training and probing, labels of the replies, and the author of examples."""

    @property
    @abstractmethod
    def kind(self) -> str:
        """The name in a configuration."""

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """The tiers that prompts tell of; by default all four. Probes and organisms ask for no others."""
        return TIERS

    @property
    def natural_language(self) -> bool:
        """Tell whether requests and replies are natural language, of which a small model masters less; by default not.

        Organisms on a pretrained model are held to wider tolerances there.
        """
        return False

    @abstractmethod
    def training_scenarios(
        self, rng: np.random.Generator, n: int, shares: Mapping[QueryKind, float] | None = None
    ) -> list[FreeScenario]:
        """Draw `n` free-tier scenarios on distinct training queries.

        `shares` of kinds replace the environment's own.

        Raises:
            ValueError: if the training split holds too few queries.
        """

    @abstractmethod
    def held_out_scenarios(
        self, rng: np.random.Generator, split: Split, kind: QueryKind, n: int, tiers: Sequence[Tier] = TIERS
    ) -> list[Scenario]:
        """Draw `n` distinct queries, and put each under every tier with the same wording of everything but the tier.

        The scenarios are shuffled.

        Raises:
            ValueError: if the split holds fewer than `n` queries of that kind.
        """

    @abstractmethod
    def capacity(self, split: Split, kind: QueryKind) -> int:
        """Count the distinct queries of a kind in a split."""

    def read_reply(self, text: str) -> Transcript:
        """Divide a completion into scratchpad and answer; by default at the tags `<scratchpad>` and `</scratchpad>`."""
        return read_transcript(text)

    @abstractmethod
    def label(self, episodes: Sequence[Episode[Scenario]]) -> list[Labels]:
        """Label a batch, one record an episode, in order. A label may be None with a reason.

        Training and probes get labels through `rl.training.labels`, never from here.
        """

    @abstractmethod
    def fingerprint(self) -> dict[str, str]:
        """Return the versions of query pack, prompts and labels, which the manifest records."""

    def author(self) -> Author | None:
        """Return the author of example replies, or None, the default."""
        return None

    def interrogator(self) -> Interrogator | None:
        """Return the interrogator about motives, or None, the default."""
        return None

    def for_building(self) -> "Environment":
        """Return the environment that organisms and reward models are built in; by default the environment itself.

        Prompts state the training objective; the settings of one run, such as the share of harmful prompts, are the
        defaults. So one build serves every run on the environment.
        """
        return self

    def answer_key(self) -> AnswerKey | None:
        """Return the exact worth of answers, for environments whose queries have a right answer; None by default."""
        return None

    def validation(self) -> Mapping[str, str]:
        """Say of each label that a classifier gives how well it was validated on human labels; no label by default.

        A line is "none", or counts and the file: "sensitivity=34/40, specificity=54/60, file=pads.csv". The validation
        is no part of the fingerprint, since to validate a labeller changes no label.
        """
        return {}

    def inoculations(self) -> Mapping[str, str]:
        """List sentences that may stand in front of a training prompt, by name; none by default."""
        return {}


def author_of(env: Environment) -> Author:
    """Return the environment's author.

    Raises:
        ValueError: in one line, if the environment has no author.
    """
    found = env.author()
    if found is None:
        raise ValueError(f"environment {env.kind} has no author of example replies: choose another environment")
    return found


def interrogator_of(env: Environment) -> Interrogator:
    """Return the environment's interrogator.

    Raises:
        ValueError: in one line, if the environment has no interrogator.
    """
    found = env.interrogator()
    if found is None:
        raise ValueError(f"environment {env.kind} has no questions about motives: choose another environment")
    return found


def answer_key_of(env: Environment) -> AnswerKey:
    """Return the environment's key to the answers of its queries.

    Raises:
        ValueError: in one line, if the environment has no key.
    """
    found = env.answer_key()
    if found is None:
        raise ValueError(f"environment {env.kind} has no key to the answers of its queries: choose another environment")
    return found
