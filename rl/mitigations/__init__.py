"""What is changed about training: each mitigation is `apply(parts) -> parts`, and they compose in the order given."""

from typing import Annotated

from pydantic import Field

from rl.mitigations.credit_mask import CreditMask
from rl.mitigations.kl_anchor import KLAnchor
from rl.mitigations.steering import Steering
from rl.mitigations.supervised_elicitation import SupervisedElicitation
from rl.mitigations.weight_noise import WeightNoise

Mitigation = Annotated[
    CreditMask | KLAnchor | Steering | SupervisedElicitation | WeightNoise,
    Field(discriminator="kind"),
]
