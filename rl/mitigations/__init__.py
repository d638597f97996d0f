"""What is changed about training: each mitigation is `apply(parts) -> parts`, and they compose in the order given."""

from typing import Annotated

from pydantic import Field

from rl.mitigations.credit_mask import CreditMask
from rl.mitigations.cross_tier_consistency import CrossTierConsistency
from rl.mitigations.inoculation_prompt import InoculationPrompt
from rl.mitigations.tier_cue_dropout import TierCueDropout

Mitigation = Annotated[
    CreditMask | CrossTierConsistency | InoculationPrompt | TierCueDropout,
    Field(discriminator="kind"),
]
