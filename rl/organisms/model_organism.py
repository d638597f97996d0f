"""The base class of organisms: purpose, needs of an environment, and the disclosure on every page."""

from abc import ABC
from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from envs.environment import Environment


class ModelOrganism(BaseModel, ABC):
    """A policy that is built to behave in a stated way. Nothing emerges.

    `summary`: a line for `gyges list organisms`; `summaries` holds the lines of a class with several kinds.
    `answers_questions`: the documents, or those of its ancestor, hold questions about motives and replies to them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: str

    summary: ClassVar[str]
    summaries: ClassVar[Mapping[str, str]] = {}
    answers_questions: ClassVar[bool] = False

    @property
    def has_read_questions(self) -> bool:
        """Tell whether a build with these settings has read questions about motives; by default as the class says."""
        return self.answers_questions

    @property
    def built_to(self) -> str:
        """The intention of the recipe, as the verb phrase of the disclosure."""
        return "fake"

    @property
    def disclosure(self) -> str:
        """The sentence that stands on every page and picture about this organism."""
        return f"Simulated organism, built to {self.built_to}: no claim of emergence."

    @property
    def stated_layers(self) -> int | None:
        """The number of decoder layers by the recipe; None where only the loaded model tells."""
        return None

    def unmet(self, env: Environment) -> str | None:
        """Name in one line a need that the environment doesn't meet; None for a complete environment.

        The line continues "organism faker needs ...".
        """
        if env.author() is None:
            return (
                f"an author of example replies, which environment {env.kind} doesn't have: choose another environment"
            )
        return None
