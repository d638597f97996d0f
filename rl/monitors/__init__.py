"""Monitors: estimates of the probability that an episode fakes, for penalties, screening and supervision."""

from typing import Annotated

from pydantic import Field

from rl.monitors.activation_probe import ActivationProbe
from rl.monitors.dialled_oracle import DialledOracle
from rl.monitors.keywords import Keyword
from rl.monitors.oracle import Oracle
from rl.monitors.text_classifier import TextClassifier

Monitor = Annotated[ActivationProbe | DialledOracle | Keyword | Oracle | TextClassifier, Field(discriminator="kind")]
