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
    """A change of training, as `apply(components) -> components`, and the declarations that others read.

    A subclass is a frozen value. It overrides the declarations that differ from the defaults here.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: str

    summary: ClassVar[str]  # a line for `gyges list mitigations`
    changes: ClassVar[frozenset[str]]  # the fields of `StepComponents` that `apply` replaces
    needs: ClassVar[frozenset[Need]] = frozenset()  # held against the run by `rl.run.checks.needs`
    component: ClassVar[str | None] = None  # the reward component that it adds
    texts: ClassVar[tuple[str, ...]] = ()  # what its scores keep as text, such as a question

    @property
    def measures(self) -> tuple[str, ...]:
        """The names of the numbers that its scores keep; each may be missing from a score."""
        return ()

    @property
    def consulted(self) -> MonitorBase | None:
        """The monitor that it asks about rollouts."""
        return None

    @property
    def chosen_layer(self) -> int | None:
        """The decoder layer of its settings; None for a layer that follows from the model, or for none."""
        return None

    @property
    def least_layers(self) -> int:
        """The number of decoder layers that a model must have for `chosen_layer` to exist."""
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

        Asked before anything is built, once the environment has met `needs`.
        """
        return None

    def further_questions(self, env: Environment) -> tuple[str, ...]:
        """List every question that is put behind a reply: such prompts are checked before the run."""
        return ()

    def read_again(self, scenario: Scenario) -> list[Scenario]:
        """List the prompts behind which a reply to `scenario` is read again: they are checked before the run."""
        return []

    @abstractmethod
    def apply(self, components: StepComponents) -> StepComponents:
        """Return the components with the change. Touches no model: this is called with nothing built as well."""


class MonitoredMitigation(MitigationBase):
    """A mitigation that asks a monitor about each rollout."""

    monitor: Monitor

    @property
    def consulted(self) -> MonitorBase:
        return self.monitor

    @property
    def measures(self) -> tuple[str, ...]:
        return measure_name(self.monitor), unjudged_name(self.monitor)
