"""Probes turn labelled held-out episodes into rates with intervals, and never change training."""

from typing import Annotated

from pydantic import Field

from rl.probes.ability import Ability
from rl.probes.benign import Benign
from rl.probes.benign_reward import BenignReward
from rl.probes.compliance import Compliance
from rl.probes.decomposition import Decomposition
from rl.probes.faking import Faking
from rl.probes.gaps import Gaps
from rl.probes.lengths import Lengths
from rl.probes.reward_hacking import RewardHacking
from rl.probes.second_reward import SecondReward
from rl.probes.twins import Twins
from rl.probes.well_formed import WellFormed

Probe = Annotated[
    Compliance
    | Gaps
    | Faking
    | Decomposition
    | Benign
    | BenignReward
    | Twins
    | Lengths
    | WellFormed
    | RewardHacking
    | SecondReward
    | Ability,
    Field(discriminator="kind"),
]
# All but RewardHacking, which needs a reward with something to hack, SecondReward, which is for learned rewards in
# English, and Ability, which is for pretrained models.
DEFAULT_PROBES: tuple[Probe, ...] = (
    Compliance(), Gaps(), Faking(), Decomposition(), Benign(), BenignReward(), Twins(), Lengths(),
    WellFormed(),
)  # fmt: skip
