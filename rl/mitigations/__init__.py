"""Mitigations: changes of training, each `apply(components) -> components`, composed in the order given."""

from typing import Annotated

from pydantic import Field

from rl.mitigations.cross_tier_consistency import CrossTierConsistency
from rl.mitigations.inoculation_prompt import InoculationPrompt
from rl.mitigations.interrogation import Interrogation
from rl.mitigations.kl_anchor import KLAnchor
from rl.mitigations.loss_mask import LossMask
from rl.mitigations.monitor_penalty import MonitorPenalty
from rl.mitigations.monitor_screening import MonitorScreening
from rl.mitigations.monitor_watch import MonitorWatch
from rl.mitigations.process_supervision import ProcessSupervision
from rl.mitigations.reward_faking import RewardFaking
from rl.mitigations.scratchpad_length import ScratchpadLength
from rl.mitigations.steering import Steering
from rl.mitigations.supervised_elicitation import SupervisedElicitation
from rl.mitigations.tier_cue_dropout import TierCueDropout
from rl.mitigations.weight_noise import WeightNoise

Mitigation = Annotated[
    LossMask
    | CrossTierConsistency
    | InoculationPrompt
    | Interrogation
    | KLAnchor
    | MonitorPenalty
    | MonitorScreening
    | MonitorWatch
    | ProcessSupervision
    | RewardFaking
    | ScratchpadLength
    | Steering
    | SupervisedElicitation
    | TierCueDropout
    | WeightNoise,
    Field(discriminator="kind"),
]
