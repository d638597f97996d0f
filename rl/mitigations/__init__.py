"""What is changed about training: each mitigation is `apply(parts) -> parts`, and they compose in the order given."""

from rl.mitigations.credit_mask import CreditMask

# Becomes `Annotated[A | B, Field(discriminator="kind")]` with the second member.
Mitigation = CreditMask
