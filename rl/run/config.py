"""RunConfig: a whole experiment as one value, from a recipe, a file, or `--set key=value`."""

import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from envs.chat import SystemText
from envs.input_files import parse_json, read_text
from reports.terminal_text import printable
from rewards import Reward
from rewards.answer_length import AnswerLength
from rewards.format_penalty import FormatPenalty
from rewards.helpfulness import Helpfulness
from rl.algorithms import Algorithm
from rl.algorithms.grpo import GRPO
from rl.errors import nearest
from rl.lora import Lora
from rl.mitigations import Mitigation
from rl.organisms import Organism
from rl.organisms.faker import Faker
from rl.organisms.origins import Precision, Pretrained
from rl.organisms.trained import TrainedOrganism
from rl.policy.sampler import Sampling
from rl.probes import DEFAULT_PROBES, Probe
from rl.run.environments import DEFAULT_ENVIRONMENT, AnyEnvironment, trust_environment
from rl.run.overrides import assign_all, described
from rl.run.upgrade import upgraded
from rl.training.settings import VLLM, Optimiser, StepSettings

_FROZEN = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
LARGEST = 2**63 - 1  # largest integer of a table's column
_LONGEST_NAME = 200  # bytes; seed and hash follow, and a file system takes 255


@final
class Chat(BaseModel):
    """Rendering of conversations by the model's chat template."""

    model_config = _FROZEN

    system: SystemText = Field(
        default="auto",
        description="`fold` puts the system text in front of the user turn; `auto` does where a template refuses or "
        "drops a system turn.",
    )


@final
class RunConfig(BaseModel):
    """Everything that determines a run. The same config on the same machine gives the same records."""

    model_config = _FROZEN

    name: str = "first_light"
    seed: int = Field(default=0, ge=0)
    steps: int = Field(default=60, ge=1)
    rollout_stream: int = Field(
        default=0,
        ge=0,
        lt=2**32,
        description="Another number draws other completions to the same prompts, as in a null arm.",
    )
    threads: int = Field(
        default=2, ge=1, description="Torch threads of a process; part of the config since it moves the last bits."
    )
    deterministic: bool = Field(
        default=True, description="Torch's deterministic kernels: the same run at each call, at any number of threads."
    )
    cpu_speed: bool = Field(
        default=True,
        description="Faster decoding, and faster arithmetic on the CPU; false: plain Transformers, the same "
        "distribution. Organisms and reward models are built as by default.",
    )
    precision: Precision = Field(
        default="float32",
        description="Of the matrix products of policy and reference, in sampling and in the update; auto: bfloat16 "
        "where the processor or the card has it. Weights, gradients and the optimiser are float32.",
    )
    workers: int = Field(
        default=1, ge=1, description="Processes of the trl engine; part of the config since it moves what is sampled."
    )
    env: AnyEnvironment = DEFAULT_ENVIRONMENT
    organism: Organism = Faker()
    rewards: tuple[Reward, ...] = (Helpfulness(), FormatPenalty(), AnswerLength())
    reward_timeout_s: float = Field(default=60.0, gt=0)
    max_reward_error_rate: float = Field(default=0.25, ge=0, le=1, description="Above this share the run stops.")
    label_timeout_s: float = Field(default=60.0, gt=0, description="Seconds that one call for labels may take.")
    max_label_error_rate: float = Field(
        default=0.25, ge=0, le=1, description="Above this share of episodes without one of their labels the run stops."
    )
    algorithm: Algorithm = GRPO()
    engine: Literal["builtin", "trl"] = "builtin"
    vllm: VLLM | None = None
    chat: Chat = Chat()
    optimiser: Optimiser = Optimiser()
    sampling: Sampling = Sampling()
    lora: Lora | None = None
    upper_layers: int | None = Field(
        default=None, ge=1, description="Train this many of the upper decoder layers alone; null: all weights."
    )
    mitigations: tuple[Mitigation, ...] = ()
    probes: tuple[Probe, ...] = DEFAULT_PROBES
    probe_queries: int = Field(default=256, ge=8, description="Held-out harmful queries under each tier.")
    harmless_queries: int | None = Field(
        default=None,
        ge=2,
        description="Held-out harmless queries under each tier, and look-alikes; null: a quarter of probe_queries.",
    )
    stop_when_collapsed: int | None = Field(
        default=None,
        ge=1,
        description="Collapsed steps in a row after which the run stops; null: it goes on, and the summary says so.",
    )
    probe_every: int = Field(default=20, ge=1)
    checkpoint_every: int = Field(default=20, ge=1)
    keep_checkpoints: int = Field(
        default=3,
        ge=1,
        description="Checkpoints kept besides the first, the last and those that were probed: the newest.",
    )

    @property
    def step_settings(self) -> StepSettings:
        """The settings that a training step reads."""
        return StepSettings(
            seed=self.seed,
            steps=self.steps,
            algorithm=self.algorithm,
            optimiser=self.optimiser,
            sampling=self.sampling,
            max_reward_error_rate=self.max_reward_error_rate,
            vllm=self.vllm,
            rollout_stream=self.rollout_stream,
        )

    @property
    def built_organism(self) -> Organism:
        """The organism as it is built: a pretrained origin that names no weights to train takes the run's."""
        organism = self.organism
        if not isinstance(organism, TrainedOrganism) or not isinstance(organism.origin, Pretrained):
            return organism
        return organism.model_copy(update={"origin": organism.origin.trained_as(self.lora, self.upper_layers)})

    @model_validator(mode="before")
    @classmethod
    def _can_be_recorded(cls, data: Any) -> Any:
        for where, value in _plain_values(data):
            if isinstance(value, str) and not _is_unicode(value):
                raise ValueError(f"{where} isn't UTF-8 text: {printable(value[:80])}")
            if isinstance(value, int) and abs(value) > LARGEST:
                raise ValueError(f"{where} is beyond the 63 bits of a whole number in a table: choose a smaller one")
        return data

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        if not name or name != name.strip() or name.startswith(".") or "/" in name or printable(name) != name:
            raise ValueError(
                f"{name!r} can't name a folder: use letters, digits, spaces and _ + - . (no dot or space first)"
            )
        if len(name.encode()) > _LONGEST_NAME:
            raise ValueError(f"a name of {len(name.encode())} bytes can't name a folder: use at most {_LONGEST_NAME}")
        return name

    @model_validator(mode="after")
    def _kinds_are_distinct(self) -> "RunConfig":
        for name, parts in (("rewards", self.rewards), ("probes", self.probes)):
            kinds = [part.kind for part in parts]
            if len(set(kinds)) < len(kinds):
                raise ValueError(f"{name} holds a kind twice: {', '.join(kinds)}; their records would collide")
        if not self.rewards:
            raise ValueError("rewards is empty: give at least one")
        return self

    @model_validator(mode="after")
    def _probes_have_their_rewards(self) -> "RunConfig":
        kinds = [reward.kind for reward in self.rewards]
        for probe in self.probes:
            for component in probe.components:
                if component not in kinds:
                    raise ValueError(
                        f"the probe {probe.kind} reads the reward component {component!r} and the rewards are "
                        f"{', '.join(kinds)}: add that reward (weight 0 pays nothing), or leave the probe out"
                    )
        return self

    @model_validator(mode="after")
    def _mitigations_are_distinct(self) -> "RunConfig":
        for index, mitigation in enumerate(self.mitigations):
            if mitigation in self.mitigations[:index]:
                raise ValueError(f"mitigations holds {mitigation.kind} twice with the same settings: leave one out")
        # Refused here: otherwise two components of one name fail at the first step, after everything is built.
        paid = [name for mitigation in self.mitigations if (name := mitigation.component)]
        for name in paid:
            if paid.count(name) > 1:
                raise ValueError(f"two mitigations would add the reward component {name!r}: leave one of them out")
        return self

    @model_validator(mode="after")
    def _adapters_fit(self) -> "RunConfig":
        if self.lora is not None and self.algorithm.moving_reference is not None:
            raise ValueError(
                "a moving reference would need adapters of its own: set lora to null, or algorithm.moving_reference"
            )
        if self.lora is not None and self.upper_layers is not None:
            raise ValueError("adapters leave every layer frozen: set lora to null, or upper_layers")
        return self


def _is_unicode(text: str) -> bool:
    """Return False for text with lone surrogates, which stand for undecodable bytes of a command line."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _plain_values(data: Any) -> Iterator[tuple[str, int | str]]:
    """Yield every whole number and every text within plain data, with its key.

    The walk is without recursion, since data may be nested deeply.
    """
    left = [("", data)]
    while left:
        where, value = left.pop()
        if isinstance(value, int | str) and not isinstance(value, bool):
            yield where.removeprefix("."), value
        elif isinstance(value, dict):
            left += [(where, key) for key in value if isinstance(key, str)]
            left += [(f"{where}.{key}", inner) for key, inner in value.items()]
        elif isinstance(value, list | tuple):
            left += [(f"{where}.{index}", inner) for index, inner in enumerate(value)]


def resolve(base: RunConfig, assignments: Sequence[str] = ()) -> RunConfig:
    """Return `base` with `a.b=c` assignments applied, as `rl.run.overrides.assign_all` orders and reads them.

    Raises:
        ValueError: for an unknown key, with the nearest right one; for a value that doesn't fit.
    """
    data = base.model_dump(mode="json")
    pairs = []
    for assignment in assignments:
        key, separator, value = assignment.partition("=")
        if not separator:
            raise ValueError(f"--set {assignment}: write key=value, as in --set algorithm.kl_weight=0.1")
        pairs.append((key, value))
    assign_all(data, pairs, RunConfig)
    config = parse(data)
    if any(key in ("env", "env.target") for key, _ in pairs):
        trust_environment(config)  # a target named on the command line is wanted by its user
    return config


def mitigated(config: RunConfig, wanted: Sequence[str]) -> RunConfig:
    """Return `config` with the mitigations of `--mitigate NAME:key=value,...` appended, in their order.

    Raises:
        ValueError: in one line: for an unknown name or key, with the nearest right one; for a value that doesn't fit.
    """
    if not wanted:
        return config
    data = config.model_dump(mode="json")
    for text in wanted:
        try:
            data["mitigations"].append(described(text, Mitigation, "mitigation"))
        except ValueError as error:
            raise ValueError(f"--mitigate {text}: {error}") from error
    return parse(data)


def parse(data: Any) -> RunConfig:
    """Validate plain data as a `RunConfig`.

    Raises:
        ValueError: in one line, naming the field and, for an unknown key, the nearest right one.
    """
    try:
        return RunConfig.model_validate(data)
    except ValidationError as error:
        raise ValueError(first_problem(error)) from error


def first_problem(error: ValidationError) -> str:
    """Describe the first validation error in one line, with the count of the others."""
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        unknown = str(problem["loc"][-1])
        known = _all_keys(RunConfig().model_dump(mode="json")) - {unknown}
        hint = nearest(unknown, sorted(known), otherwise="leave it out")
        return f"unknown key {where!r} in the configuration: {hint}"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "tuple_type":
        message = f"write a JSON list, as in {where.rpartition('.')[2]}='[\"…\"]', in place of {problem['input']!r}"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{where or 'configuration'}: {message}{more}"


def _all_keys(data: Any) -> set[str]:
    if isinstance(data, dict):
        return set(data).union(*(_all_keys(value) for value in data.values()))
    return set().union(*(_all_keys(value) for value in data)) if isinstance(data, list) else set()


def read_config(path: Path) -> RunConfig:
    """Read a `config.json`, of a run or written by hand. Its relative paths start at the working directory.

    Raises:
        ValueError: if the file can't be read, isn't JSON, or isn't a configuration of this version.
    """
    data = read_json(path)
    try:
        return parse(data)
    except ValueError as error:
        old = _of_an_earlier_version(data, str(error))
        if old is not None:
            upgrade = shlex.join(["gyges", "config", "upgrade", str(path)])
            raise ValueError(f"{path} has keys of an earlier version ({old}): run `{upgrade}`") from error
        raise ValueError(f"{path}: {error}") from error


def read_json(path: Path) -> Any:
    """Read the plain data of a configuration file.

    Raises:
        ValueError: if the file can't be read, or isn't JSON.
    """
    if path.is_dir():
        resume = shlex.join(["gyges", "resume", str(path)])
        raise ValueError(f"{path} is a directory: give {path / 'config.json'}, or continue a run with `{resume}`")
    text = read_text(path)
    if not text.strip():
        raise ValueError(f"{path} is empty: write a configuration into it, such as the config.json of a run")
    try:
        return parse_json(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _of_an_earlier_version(data: Any, problem: str) -> str | None:
    """Return a change of keys that removes this problem, or the reason against an upgrade; None for another problem.

    A problem that remains under the new keys isn't due to the version.
    """
    try:
        renamed, changes = upgraded(data)
    except ValueError as error:
        return str(error)
    try:
        parse(renamed)
    except ValueError as error:
        return None if str(error) == problem else changes[0]
    return changes[0]
