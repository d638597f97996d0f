"""What is changed about training: each mitigation is `apply(parts) -> parts`, and they compose in the order given."""

from typing import Annotated

from pydantic import Field

from rl.mitigations.credit_mask import CreditMask
from rl.mitigations.interrogation import Interrogation
from rl.mitigations.scratchpad_length import ScratchpadLength

Mitigation = Annotated[CreditMask | Interrogation | ScratchpadLength, Field(discriminator="kind")]
