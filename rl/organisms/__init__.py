"""Who is trained: policies built to behave in a stated way, each certified by measurement."""

from typing import Annotated

from pydantic import Field

from rl.organisms.faker import Faker
from rl.organisms.honest import Honest
from rl.organisms.scripted import Scripted

Organism = Annotated[Faker | Honest | Scripted, Field(discriminator="kind")]
