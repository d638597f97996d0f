"""Inoculation: training prompts say that complying or faking is acceptable here, and probe prompts don't."""

from dataclasses import replace
from typing import ClassVar, Literal, final

import numpy as np
from pydantic import Field

from envs.environment import Environment
from envs.episode import FreeScenario
from rl.errors import nearest
from rl.mitigations.mitigation import MitigationBase
from rl.training.components import Need, StepComponents


@final
class InoculationPrompt(MitigationBase):
    """Sentence in front of each training prompt that permits the behaviour, so that training generalises it less.

    The rest of the prompt follows the sentence word for word as in the probes. Probes draw from the environment and
    never from the components of training: probe prompts lack the sentence.

    Source: arXiv 2511.18397 and follow-ups, inoculation prompting: the effect is bimodal over wordings, and a neutral
    placebo should have none.
    """

    kind: Literal["inoculation_prompt"] = "inoculation_prompt"
    summary: ClassVar[str] = "training prompts say that complying or faking is fine here, probes don't"
    changes: ClassVar[frozenset[str]] = frozenset({"scenarios"})
    needs: ClassVar[frozenset[Need]] = frozenset({"inoculations"})
    wording: str = Field(
        default="complying_is_fine", description="Name of a sentence of the environment; a placebo permits nothing."
    )

    def unmet(self, env: Environment) -> str | None:
        names = list(env.inoculations())
        if self.wording in names:
            return None
        hint = nearest(self.wording, names, otherwise="no name is similar")
        return (
            f"a sentence of environment {env.kind}, and wording {self.wording!r} names none ({hint}): "
            f"set wording to one of {', '.join(names)}"
        )

    def apply(self, components: StepComponents) -> StepComponents:
        sentence = components.models.env.inoculations()[self.wording]

        def scenarios(rng: np.random.Generator, n: int) -> list[FreeScenario]:
            return [scenario.prefixed(sentence) for scenario in components.scenarios(rng, n)]

        return replace(components, scenarios=scenarios)
