"""The base classes of mitigations: the declarations that others read, with the defaults of most."""

from abc import ABC, abstractmethod
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from envs.environment import Environment
from envs.episode import Scenario
from rl.monitors import Monitor
from rl.monitors.asking import measure_name, unjudged_name
from rl.monitors.monitor import MonitorBase
from rl.training.components import Need, StepComponents


class MitigationBase(BaseModel, ABC):
    """Change of training, as `apply(components) -> components`, with declarations for the rest of the program.

    A subclass is a frozen value. It overrides the declarations that differ from the defaults here.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: str

    summary: ClassVar[str]  # a line for `gyges list mitigations`
    changes: ClassVar[frozenset[str]]  # the fields of `StepComponents` that `apply` replaces
    needs: ClassVar[frozenset[Need]] = frozenset()  # checked by `rl.run.checks.needs`
    component: ClassVar[str | None] = None  # the reward component that it adds
    texts: ClassVar[tuple[str, ...]] = ()  # names of the texts in its scores, such as a question

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of the numbers in the mitigation's scores; a score may lack any of them."""
        return ()

    @property
    def consulted(self) -> MonitorBase | None:
        """Monitor that the mitigation asks about rollouts."""
        return None

    @property
    def chosen_layer(self) -> int | None:
        """The decoder layer of its settings; None for a layer that follows from the model, or for none."""
        return None

    @property
    def least_layers(self) -> int:
        """Number of decoder layers that `chosen_layer` requires of a model."""
        return 0

    @property
    def acts_in_training(self) -> bool:
        """True for a mitigation with an effect on training steps; any other suits every engine."""
        return True

    @property
    def steers_deployment(self) -> bool:
        """True for a mitigation that makes probes see another policy than the weights alone."""
        return False

    def unmet(self, env: Environment) -> str | None:
        """Name something missing from the environment for these settings, with the fix; None for a complete one.

        Called before anything is built, after the environment has met `needs`.
        """
        return None

    def further_questions(self, env: Environment) -> tuple[str, ...]:
        """List every question that the mitigation puts behind a reply; the run checks such prompts first."""
        return ()

    def read_again(self, scenario: Scenario) -> list[Scenario]:
        """List the prompts behind which the mitigation reads a reply to `scenario` again; the run checks them first."""
        return []

    @abstractmethod
    def apply(self, components: StepComponents) -> StepComponents:
        """Return the changed components. Touches no model: `apply` is also called with nothing built."""


class MonitoredMitigation(MitigationBase):
    """Mitigation that asks a monitor about each rollout."""

    monitor: Monitor

    @property
    def consulted(self) -> MonitorBase:
        return self.monitor

    @property
    def measures(self) -> tuple[str, ...]:
        return measure_name(self.monitor), unjudged_name(self.monitor)
