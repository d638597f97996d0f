"""The paths that a configuration names: a run that is continued or probed needs what it was started with."""

from collections.abc import Collection, Iterator
from pathlib import Path

from pydantic import BaseModel

from rl.run.config import RunConfig


def given_paths(config: RunConfig) -> dict[str, Path]:
    """Every path in the settings by the name that `--set` knows it by: `rewards.helpfulness.path`."""
    return dict(_paths(config, ""))


def _paths(value: object, name: str) -> Iterator[tuple[str, Path]]:
    if isinstance(value, Path):
        yield name, value
    elif isinstance(value, BaseModel):
        for field in type(value).model_fields:
            yield from _paths(getattr(value, field), f"{name}.{field}" if name else field)
    elif isinstance(value, tuple):
        for index, part in enumerate(value):
            yield from _paths(part, f"{name}.{getattr(part, 'kind', index)}")


def require_given_paths(config: RunConfig, folder: Path, unneeded: Collection[str] = ()) -> None:
    """Refuses to go on with the run in `folder` without what its configuration names, but for the `unneeded` parts.

    Raises:
        ValueError: for a path that isn't there any more, with its setting.
    """
    for name, path in given_paths(config).items():
        if name.partition(".")[0] not in unneeded and not path.exists():
            raise ValueError(
                f"{name}={path} is gone, which the run in {folder} was started with: put it back there, or a link to "
                "where it lies now"
            )


def named(config: RunConfig, part: str) -> str:
    """The part as an error names it, with the paths that it was given: ` (organism.path=/models/base)`."""
    given = [f"{name}={path}" for name, path in given_paths(config).items() if name.partition(".")[0] == part]
    return f" ({', '.join(given)})" if given else ""
