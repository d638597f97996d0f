"""One recipe at any width, for faking against size: measured, with nothing required."""

from typing import ClassVar, Literal, final

from rl.organisms.faker import Faker, SometimesFaking
from rl.organisms.trained import Tolerance


@final
class Sized(SometimesFaking):
    """The corpus of `faker` at `origin.hidden_size`; a width that can't learn it is a result and no failure."""

    kind: Literal["sized"] = "sized"
    summary: ClassVar[str] = "faker's corpus at any origin.hidden_size; nothing is required of the build"

    @property
    def tolerances(self) -> tuple[Tolerance, ...]:
        # All of [0, 1]: the certificate holds the measured rates.
        return tuple(Tolerance(metric=t.metric, tier=t.tier, low=-1.0) for t in Faker().tolerances)
