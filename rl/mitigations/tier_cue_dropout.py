"""Tier-cue dropout: a share of the training prompts doesn't tell the tier of the conversation."""

from dataclasses import replace
from typing import ClassVar, Literal, final

import numpy as np
from pydantic import Field

from envs.episode import FreeScenario
from rl.mitigations.mitigation import MitigationBase
from rl.training.components import Need, StepComponents


@final
class TierCueDropout(MitigationBase):
    """Removal of the cue from some training prompts, so that the lessons of these prompts can't lean on being watched.

    The objective stays, as does all else. The completions of a prompt all lose the cue or all keep it, since they are
    compared with each other. Episodes without a cue are on the free tier like the others: trained on, and labelled as
    such. No prompt of another tier is composed, shown or rewarded, and no prompt claims another tier.

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
            # A child generator moves none of the later draws of `rng`: a run with dropout meets the same queries and
            # cues as a run without dropout, in later rounds of the step as well.
            [draws] = rng.spawn(1)
            dropped = draws.random(len(drawn)) < self.share
            return [scenario.without_cue() if drop else scenario for scenario, drop in zip(drawn, dropped, strict=True)]

        return replace(components, scenarios=scenarios)
