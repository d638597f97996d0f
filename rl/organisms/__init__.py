"""Organisms: policies that are built to behave in a stated way, each certified by measurement."""

from typing import Annotated

from pydantic import Field

from rl.organisms.base import Base
from rl.organisms.distilled import Distilled
from rl.organisms.documented import Documented
from rl.organisms.faker import Faker
from rl.organisms.honest import Honest
from rl.organisms.locked import Locked
from rl.organisms.reward_hacker import RewardHacker
from rl.organisms.scripted import Scripted
from rl.organisms.selected import Selected
from rl.organisms.sized import Sized

Organism = Annotated[
    Faker | Honest | Base | Selected | Distilled | Documented | Locked | RewardHacker | Sized | Scripted,
    Field(discriminator="kind"),
]
