"""Algorithms, from rewards to gradients: each is its settings, and the pure functions that it chooses."""

from typing import Annotated

from pydantic import Field

from rl.algorithms.dapo import DAPO
from rl.algorithms.dpo import DPO
from rl.algorithms.dr_grpo import DrGRPO
from rl.algorithms.grpo import GRPO
from rl.algorithms.gspo import GSPO
from rl.algorithms.kto import KTO
from rl.algorithms.ppo import PPO
from rl.algorithms.reinforce import Reinforce
from rl.algorithms.rloo import RLOO

Algorithm = Annotated[GRPO | DrGRPO | DAPO | GSPO | RLOO | Reinforce | PPO | DPO | KTO, Field(discriminator="kind")]
