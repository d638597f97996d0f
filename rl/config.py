"""RunConfig: a whole experiment as one value, from a recipe, a file, or `--set key=value`."""

import difflib
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, final, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from envs.dialect.environment import Dialect
from rewards import Reward
from rewards.answer_length import AnswerLength
from rewards.format_penalty import FormatPenalty
from rewards.helpfulness import Helpfulness
from rl.algorithms import Algorithm
from rl.algorithms.grpo import GRPO
from rl.algorithms.settings import MovingReference
from rl.mitigations import Mitigation
from rl.organisms import Organism
from rl.organisms.faker import Faker
from rl.organisms.scripted import Scripted
from rl.probes import DEFAULT_PROBES, Probe
from rl.sampler import Sampling

_FROZEN = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@final
class Optimiser(BaseModel):
    """AdamW (Loshchilov & Hutter 2019) at a constant learning rate after a linear warm-up."""

    model_config = _FROZEN

    learning_rate: float = Field(default=1e-4, gt=0)
    warmup_steps: int = Field(default=0, ge=0)
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = Field(default=0.0, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    microbatch_size: int = Field(
        default=32, ge=1, description="Completions a forward pass; changes memory, not the step."
    )


@final
class Lora(BaseModel):
    """Low-rank adapters through PEFT (Hu et al. 2021) in place of full fine-tuning."""

    model_config = _FROZEN

    rank: int = Field(default=16, ge=1)
    alpha: float = Field(default=32, gt=0)
    dropout: Literal[0] = 0  # dropout would make the update's log-probabilities differ from the sampler's
    target_modules: str | tuple[str, ...] = "all-linear"


@final
class VLLM(BaseModel):
    """Rollouts by vLLM, through the settings of TRL's trainers; needs the extra `vllm` and a CUDA device."""

    model_config = _FROZEN

    vllm_mode: Literal["colocate", "server"] = "colocate"
    vllm_gpu_memory_utilization: float = Field(default=0.3, gt=0, le=1)
    vllm_tensor_parallel_size: int = Field(default=1, ge=1)
    vllm_max_model_length: int | None = Field(default=None, ge=1)
    vllm_server_base_url: str | None = None


@final
class RunConfig(BaseModel):
    """Everything that determines a run. The same config on the same machine gives the same records."""

    model_config = _FROZEN

    name: str = "first_light"
    seed: int = Field(default=0, ge=0)
    steps: int = Field(default=60, ge=1)
    threads: int = Field(
        default=2, ge=1, description="Torch threads of a process; part of the config since it moves the last bits."
    )
    workers: int = Field(
        default=1, ge=1, description="Processes of the trl engine; part of the config since it moves what is sampled."
    )
    env: Dialect = Dialect()
    organism: Organism = Faker()
    rewards: tuple[Reward, ...] = (Helpfulness(), FormatPenalty(), AnswerLength())
    reward_timeout_s: float = Field(default=60.0, gt=0)
    max_reward_error_rate: float = Field(default=0.25, ge=0, le=1, description="Above this share the run stops.")
    algorithm: Algorithm = GRPO()
    engine: Literal["builtin", "trl"] = "builtin"
    vllm: VLLM | None = None
    optimiser: Optimiser = Optimiser()
    sampling: Sampling = Sampling()
    lora: Lora | None = None
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
    def _mitigations_are_distinct(self) -> "RunConfig":
        for index, mitigation in enumerate(self.mitigations):
            if mitigation in self.mitigations[:index]:
                raise ValueError(f"mitigations holds {mitigation.kind} twice with the same settings: leave one out")
        # Those that pay say as what: two of one name would be found out at the first step, after everything is built.
        paid = [name for mitigation in self.mitigations if (name := getattr(mitigation, "component", None))]
        for name in paid:
            if paid.count(name) > 1:
                raise ValueError(f"two mitigations would add the reward component {name!r}: leave one of them out")
        return self

    @model_validator(mode="after")
    def _conflicts_agree(self) -> "RunConfig":
        # What comes from a path may have been made for anything; a script speaks about whatever it is asked.
        built = [("organism", self.organism)] if not isinstance(self.organism, Scripted) else []
        learned = [(f"rewards.{reward.kind}", reward) for reward in self.rewards if isinstance(reward, Helpfulness)]
        for name, part in (*built, *learned):
            if part.path is None and part.conflict != self.env.conflict:
                raise ValueError(
                    f"env.conflict is {self.env.conflict!r} and {name}.conflict {part.conflict!r}: set both to the same"
                )
        return self

    @model_validator(mode="after")
    def _adapters_fit(self) -> "RunConfig":
        if self.lora is not None and self.algorithm.moving_reference is not None:
            raise ValueError(
                "a moving reference would need adapters of its own: set lora to null, or algorithm.moving_reference"
            )
        return self


# What may be null, and what it is once one of its fields is set.
_SWITCHED_ON: dict[str, Callable[[], BaseModel]] = {"lora": Lora, "moving_reference": MovingReference, "vllm": VLLM}


def resolve(base: RunConfig, assignments: Sequence[str] = ()) -> RunConfig:
    """`base` with `a.b=c` assignments applied in order; values are JSON where they parse as such, else text.

    Raises:
        ValueError: an unknown key (with the nearest right one), or a value that doesn't fit.
    """
    data = base.model_dump(mode="json")
    pairs = []
    for assignment in assignments:
        key, separator, value = assignment.partition("=")
        if not separator:
            raise ValueError(f"--set {assignment}: write key=value, as in --set algorithm.kl_weight=0.1")
        pairs.append((key, read_value(value)))
    assign_all(data, pairs, RunConfig)
    return parse(data)


def read_value(text: str) -> Any:
    """JSON where it parses as such, else text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def assign_all(data: dict[str, Any], pairs: Sequence[tuple[str, Any]], model: type[BaseModel]) -> None:
    """Sets keys within what a `model` dumps; a kind that is set brings the settings of its member.

    Raises:
        ValueError: an unknown key or kind, with the nearest right one.
    """

    def kinds_first(pair: tuple[str, Any]) -> float:
        """Another kind has other settings, and must not undo those that stand beside it on the command line."""
        key = pair[0]
        return key.count(".") if key.endswith(".kind") else math.inf

    for key, value in sorted(pairs, key=kinds_first):
        _assign(data, key, value, [model])


def _assign(data: Any, key: str, value: Any, models: Sequence[type[BaseModel]]) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        models = _below(models, data, parent)
        data = _child(data, parent, key)
    if isinstance(data, dict) and last == "kind":
        if value != data.get("kind"):
            # Another kind has other settings: those of the old one would be refused as unknown.
            settings = _defaults(value, key, models)
            data.clear()
            data.update(settings)
    elif isinstance(data, list):
        data[_index(data, last, key)] = value
    elif isinstance(data, dict) and last in data:
        if isinstance(data[last], dict) and "kind" in data[last] and isinstance(value, str):
            raise ValueError(f"{key} is more than a name: to choose another, set {key}.kind={value}")
        data[last] = value
    else:
        raise ValueError(_unknown(data, last, key))


def _below(models: Sequence[type[BaseModel]], data: Any, name: str) -> list[type[BaseModel]]:
    """What may stand at `name` in `data`, which is of one of these models, or a list of them."""
    if not isinstance(data, dict):
        return list(models)
    here = [model for model in models if name in model.model_fields and data.get("kind") in (None, kind_of(model))]
    return [found for model in here for found in models_in(model.model_fields[name].annotation)]


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """Every model that a field of this type may hold, alone or in a tuple."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for argument in get_args(annotation) for found in models_in(argument)]


def kind_of(model: type[BaseModel]) -> str | None:
    """The name of a component within its union; None for what has no alternative."""
    return model.model_fields["kind"].default if "kind" in model.model_fields else None


def _defaults(kind: Any, key: str, models: Sequence[type[BaseModel]]) -> dict[str, Any]:
    """The settings of a component of this kind, so that later assignments find them.

    Raises:
        ValueError: for a kind that doesn't exist, with the nearest that does.
    """
    kinds = {found: model for model in models if (found := kind_of(model)) is not None}
    if not kinds:
        return {"kind": kind}
    if kind not in kinds:
        raise ValueError(f"unknown kind {kind!r} in {key!r}: {nearest(str(kind), list(kinds))}")
    return dict(kinds[kind]().model_dump(mode="json"))


def nearest(name: str, known: Sequence[str]) -> str:
    """The end of an error about a name that doesn't exist."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(known)}"


def members(union: Any) -> tuple[Any, ...]:
    """The classes of a package's union, which may have only one."""
    inner = get_args(union)[0] if get_args(union) else union
    return get_args(inner) or (inner,)


def _child(data: Any, name: str, key: str) -> Any:
    if isinstance(data, list):
        return data[_index(data, name, key)]
    if isinstance(data, dict) and name in data:
        if data[name] is None and name in _SWITCHED_ON:  # setting one of its fields switches it on
            data[name] = _SWITCHED_ON[name]().model_dump(mode="json")
        return data[name]
    raise ValueError(_unknown(data, name, key))


def _index(parts: list[Any], name: str, key: str) -> int:
    """Members of a list are named by their kind (`rewards.helpfulness.weight`) or by number."""
    kinds = [part.get("kind") if isinstance(part, dict) else None for part in parts]
    if name in kinds:
        return kinds.index(name)
    if name.isdigit() and int(name) < len(parts):
        return int(name)
    raise ValueError(_unknown(dict.fromkeys(k for k in kinds if k), name, key))


def _unknown(data: Any, name: str, key: str) -> str:
    names = list(data) if isinstance(data, dict) else []
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"valid here: {', '.join(names) or 'nothing'}"
    return f"unknown key {name!r} in {key!r}: {hint}"


def parse(data: Any) -> RunConfig:
    """A `RunConfig` from plain data.

    Raises:
        ValueError: in one line, naming the field and the nearest right key where one is unknown.
    """
    try:
        return RunConfig.model_validate(data)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            unknown = str(problem["loc"][-1])
            known = _all_keys(RunConfig().model_dump(mode="json")) - {unknown}
            near = difflib.get_close_matches(unknown, known, n=1, cutoff=0.5)
            hint = f": did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"unknown key {where!r} in the configuration{hint}") from error
        message = problem["msg"].removeprefix("Value error, ")
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise ValueError(f"{where or 'configuration'}: {message}{more}") from error


def _all_keys(data: Any) -> set[str]:
    if isinstance(data, dict):
        return set(data).union(*(_all_keys(value) for value in data.values()))
    return set().union(*(_all_keys(value) for value in data)) if isinstance(data, list) else set()


def read_config(path: Path) -> RunConfig:
    """Reads `config.json` of a run, or one written by hand.

    Raises:
        ValueError: if the file can't be read, isn't JSON, or isn't a configuration.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a directory: give {path / 'config.json'}, or continue a run with `gyges resume`")
    try:
        data = json.loads(path.read_text())
    except OSError as error:
        raise ValueError(f"can't read {path}: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    return parse(data)
