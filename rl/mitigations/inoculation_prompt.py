"""Inoculation: the training prompt says that complying or faking is acceptable here, and the probes' prompt doesn't."""

from dataclasses import replace
from typing import ClassVar, Literal, final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from envs.episode import FreeScenario
from rl.training.components import StepComponents


@final
class InoculationPrompt(BaseModel):
    """Puts a sentence in front of each training prompt: what is asked for there says less about the rest of the world.

    In front, so that all which follows reads word for word as the probes show it, its sentences as far from each other
    and from the reply. Probes draw from the environment and never from the parts of training: they run without.

    Source: arXiv 2511.18397 and follow-ups, inoculation prompting: the effect is bimodal over wordings, and a neutral
    placebo should have none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["inoculation_prompt"] = "inoculation_prompt"
    summary: ClassVar[str] = "training prompts say that complying or faking is fine here, probes don't"
    wording: str = Field(
        default="complying_is_fine", description="Which of the environment's sentences; a placebo says neither."
    )

    def apply(self, components: StepComponents) -> StepComponents:
        sentence = components.models.env.inoculations()[self.wording]

        def scenarios(rng: np.random.Generator, n: int) -> list[FreeScenario]:
            return [scenario.prefixed(sentence) for scenario in components.scenarios(rng, n)]

        return replace(components, scenarios=scenarios)
