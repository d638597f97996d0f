"""Who is trained: policies built to behave in a stated way, each certified by measurement."""

from typing import Annotated

from pydantic import Field

from rl.organisms.base import Base
from rl.organisms.distilled import Distilled
from rl.organisms.documented import Documented
from rl.organisms.faker import Faker
from rl.organisms.helpfulness import Helpful
from rl.organisms.honest import Honest
from rl.organisms.instrumental import Instrumental
from rl.organisms.locked import Locked
from rl.organisms.reward_hacker import RewardHacker
from rl.organisms.scripted import Scripted
from rl.organisms.sized import Sized
from rl.organisms.sycophancy import Sycophancy
from rl.organisms.terminal import Terminal

Organism = Annotated[
    Faker | Honest | Base | Terminal | Instrumental | Sycophancy | Helpful | Distilled | Documented
    | Locked | RewardHacker | Sized | Scripted,
    Field(discriminator="kind"),
]  # fmt: skip
