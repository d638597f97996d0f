"""Base class of the probes, with the defaults of what others may ask of one."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from envs.vocabulary import TIERS, QueryKind, Tier
from rl.policy.policy import Policy
from rl.probes.observation import Measurement, Observation


class ProbeBase(BaseModel, ABC):
    """A value with a kind that turns the observations of one kind of query into measurements.

    `tiers` must be among the observations; a probe is given those of other probes of its kind of query as well.
    `by_cue`: it is also measured apart on seen and on held-out wordings of the tier cue. `reads_rewards`: the run's
    own rewards score its episodes. `reads_second_scorer`: so does a scorer that no training sees, which needs an
    environment with an author. `read_metrics`: names of what it reads of the policy itself, by `read`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: str

    summary: ClassVar[str]
    query_kind: ClassVar[QueryKind] = "harmful"
    tiers: ClassVar[tuple[Tier, ...]] = TIERS
    by_cue: ClassVar[bool] = False
    reads_rewards: ClassVar[bool] = False
    reads_second_scorer: ClassVar[bool] = False
    read_metrics: ClassVar[tuple[str, ...]] = ()

    @property
    def components(self) -> tuple[str, ...]:
        """Reward components that the probe reads by name; a run without one of them is refused."""
        return ()

    @abstractmethod
    def __call__(self, observations: Sequence[Observation]) -> list[Measurement]:
        """Measure the observations of the probe's kind of query."""

    def read(self, policy: Policy, directory: Path) -> list[Measurement]:
        """Measure the policy itself, without episodes; by default nothing.

        `directory` is that of an organism or of a run. It samples nothing and changes nothing of the policy.
        """
        return []
