"""Union of environments: the dialect, two in natural language, and a custom environment named as `module:Class`."""

import importlib
import inspect
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Protocol, cast, final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from envs.dialect.environment import Dialect
from envs.dialect.queries import builtin_queries
from envs.environment import AnswerKey, Author, Environment, Interrogator
from envs.episode import Episode, FreeScenario, Scenario
from envs.labels import Labels
from envs.natural.environment import Natural
from envs.natural.packs import pack_lines
from envs.natural.requests.environment import Requests
from envs.natural.requests.packs import request_lines
from envs.transcript import Transcript
from envs.vocabulary import TIERS, QueryKind, Split, Tier

# Environment variable with the targets that may run, one a line; the processes of a sweep inherit it.
_TRUSTED = "GYGES_TRUSTED_TARGETS"


def trust(target: str) -> None:
    """Allow this `module:Class` to be imported and run, in this process and in its child processes."""
    os.environ[_TRUSTED] = "\n".join(dict.fromkeys([*trusted_targets(), target]))


class _HasEnvironment(Protocol):
    @property
    def env(self) -> Environment: ...


def trust_environment(config: _HasEnvironment) -> None:
    """Allow a custom environment of a run to be imported and run; other environments need no permission."""
    if isinstance(config.env, Custom):
        trust(config.env.target)


def trusted_targets() -> list[str]:
    """List the targets that may run in this process."""
    return [line for line in os.environ.get(_TRUSTED, "").split("\n") if line]


@final
class Custom(BaseModel):
    """Environment of your own: a class with the methods of `envs.environment.Environment`.

    `target` names the class as `module:Class`; the working directory is searched after the installed packages.
    `settings` are the arguments of the class. A custom environment runs code, so it must be named on the command line
    or trusted by `--trust`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["custom"] = "custom"
    summary: ClassVar[str] = "an environment of your own, the class that target names as module:Class"
    target: str = Field(default="", pattern=r"^(|[A-Za-z_][\w.]*:[A-Za-z_]\w*)$", description="module:Class.")
    settings: dict[str, Any] = Field(default_factory=dict, description="Arguments of the class.")

    def __hash__(self) -> int:
        return hash((self.target, json.dumps(self.settings, sort_keys=True)))

    @property
    def loaded(self) -> Environment:
        """The environment itself.

        Raises:
            ValueError: in one line, if the target isn't trusted, can't be imported or isn't an environment.
        """
        if self.target not in trusted_targets():
            raise ValueError(
                f"the environment {self.target or '(no target)'} runs code: name it on the command line with "
                "--set env.kind=custom --set env.target=module:Class, or give --trust for a configuration file"
            )
        return _load(self.target, json.dumps(self.settings))

    @property
    def tiers(self) -> tuple[Tier, ...]:
        return self.loaded.tiers

    @property
    def natural_language(self) -> bool:
        return self.loaded.natural_language

    def training_scenarios(
        self, rng: np.random.Generator, n: int, shares: Mapping[QueryKind, float] | None = None
    ) -> list[FreeScenario]:
        return self.loaded.training_scenarios(rng, n, shares)

    def held_out_scenarios(
        self, rng: np.random.Generator, split: Split, kind: QueryKind, n: int, tiers: Sequence[Tier] = TIERS
    ) -> list[Scenario]:
        return self.loaded.held_out_scenarios(rng, split, kind, n, tiers)

    def capacity(self, split: Split, kind: QueryKind) -> int:
        return self.loaded.capacity(split, kind)

    def read_reply(self, text: str) -> Transcript:
        return self.loaded.read_reply(text)

    def label(self, episodes: Sequence[Episode[Scenario]]) -> list[Labels]:
        return self.loaded.label(episodes)

    def fingerprint(self) -> dict[str, str]:
        """Return the versions that the environment states, with its target and its settings."""
        settings = json.dumps(self.settings, sort_keys=True)
        return {**self.loaded.fingerprint(), "target": self.target, "settings": settings}

    def author(self) -> Author | None:
        return self.loaded.author()

    def interrogator(self) -> Interrogator | None:
        return self.loaded.interrogator()

    def for_building(self) -> Environment:
        return self.loaded.for_building()

    def answer_key(self) -> AnswerKey | None:
        return self.loaded.answer_key()

    def validation(self) -> Mapping[str, str]:
        return self.loaded.validation()

    def inoculations(self) -> Mapping[str, str]:
        return self.loaded.inoculations()


@cache
def _load(target: str, settings: str) -> Environment:
    module_name, _, name = target.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # last, so that installed packages take precedence
    try:
        made = getattr(importlib.import_module(module_name), name)(**json.loads(settings))
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"env.target={target} can't be made: {type(error).__name__}: {reason}") from error
    missing = _missing(made, Environment)
    if missing:
        raise ValueError(f"env.target={target} isn't an environment: it lacks {', '.join(missing)}")
    _require_parts(target, made)
    return cast("Environment", made)


def _missing(made: object, protocol: type) -> list[str]:
    """List the members of a protocol that an object lacks."""
    names = [name for name in vars(protocol) if not name.startswith("_")]
    return [name for name in names if inspect.getattr_static(made, name, None) is None]


def _require_parts(target: str, made: Any) -> None:
    """Refuse an author or an interrogator without a needed member; it would fail in mid-build.

    Raises:
        ValueError: in one line, with the missing members.
    """
    for part, protocol in (("author", Author), ("interrogator", Interrogator)):
        try:
            found = getattr(made, part)()
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ValueError(f"the {part} of env.target={target} can't be made: {reason}") from error
        if found is not None and (missing := _missing(found, protocol)):
            raise ValueError(f"the {part} of env.target={target} lacks {', '.join(missing)}")


DEFAULT_ENVIRONMENT = Dialect()
AnyEnvironment = Annotated[Dialect | Natural | Requests | Custom, Field(discriminator="kind")]


def query_lines() -> Iterator[str]:
    """Yield the built-in queries as JSON lines, in the form of a query file."""
    for query in builtin_queries():
        # The id and the group follow from the words; the conflict belongs to the environment.
        fields = {k: v for k, v in asdict(query).items() if k not in ("id", "group", "conflict")}
        yield json.dumps(fields)


def scenario_lines() -> Iterator[str]:
    """Yield the built-in scenarios of the natural environment as JSON lines, in the form of a pack."""
    return pack_lines()


def free_request_lines() -> Iterator[str]:
    """Yield the built-in requests in free text as JSON lines, in the form of a user's own pack."""
    return request_lines()
