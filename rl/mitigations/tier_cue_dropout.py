"""Tier-cue dropout: a share of the training prompts doesn't tell which tier the conversation is on."""

from dataclasses import replace
from typing import ClassVar, Literal, final

import numpy as np
from pydantic import Field

from envs.episode import FreeScenario
from rl.mitigations.mitigation import MitigationBase
from rl.training.components import Need, StepComponents


@final
class TierCueDropout(MitigationBase):
    """Leaves the cue out of some training prompts, so that what is learned there can't lean on being watched.

    The objective stays, as does all else, and a prompt's completions all lose the cue or all keep it: they are compared
    with each other. Those episodes are on the free tier like the others: trained on, and labelled as such. No prompt of
    another tier is composed, shown or rewarded, and the policy isn't told that it is on one.

    Source: named among open mitigations in the discussions of published work, and little measured there.
    """

    kind: Literal["tier_cue_dropout"] = "tier_cue_dropout"
    summary: ClassVar[str] = "some training prompts don't tell the tier; all are free-tier episodes"
    changes: ClassVar[frozenset[str]] = frozenset({"scenarios"})
    needs: ClassVar[frozenset[Need]] = frozenset({"tier_cues"})
    share: float = Field(default=0.5, gt=0, le=1, description="Probability that a prompt loses its cue.")

    def apply(self, components: StepComponents) -> StepComponents:
        def scenarios(rng: np.random.Generator, n: int) -> list[FreeScenario]:
            drawn = components.scenarios(rng, n)
            # From a child, which moves nothing of what `rng` goes on to draw: a run with dropout meets the queries and
            # cues of one without, in later rounds of the step as well.
            [draws] = rng.spawn(1)
            dropped = draws.random(len(drawn)) < self.share
            return [scenario.without_cue() if drop else scenario for scenario, drop in zip(drawn, dropped, strict=True)]

        return replace(components, scenarios=scenarios)
