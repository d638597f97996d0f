"""Paths in a configuration: a run is continued or probed with the files that it was started with."""

from collections.abc import Collection, Iterator
from pathlib import Path

from pydantic import BaseModel

from rl.run.config import RunConfig


def given_paths(config: RunConfig) -> dict[str, Path]:
    """List every path in the settings by its `--set` name, such as `rewards.helpfulness.path`."""
    return dict(_paths(config, ""))


def _paths(value: object, name: str) -> Iterator[tuple[str, Path]]:
    if isinstance(value, Path):
        yield name, value
    elif isinstance(value, BaseModel):
        for field in type(value).model_fields:
            yield from _paths(getattr(value, field), f"{name}.{field}" if name else field)
    elif isinstance(value, tuple):
        for index, part in enumerate(value):
            yield from _paths(part, f"{name}.{_kind(part) or index}")


def _kind(part: object) -> str | None:
    """Return the kind of a component, by which `--set` names it; None for a value without a kind."""
    known = part.model_dump(include={"kind"}) if isinstance(part, BaseModel) else {}
    return str(known["kind"]) if "kind" in known else None


def require_given_paths(config: RunConfig, folder: Path, unneeded: Collection[str] = ()) -> None:
    """Refuse to go on with the run in `folder` without the files of its configuration, the `unneeded` parts aside.

    Raises:
        ValueError: for a missing path, with its setting.
    """
    for name, path in given_paths(config).items():
        if name.partition(".")[0] not in unneeded and not path.exists():
            raise ValueError(
                f"{name}={path} is gone, which the run in {folder} was started with: put it back there, or a link to "
                "where it lies now"
            )


def named(config: RunConfig, part: str) -> str:
    """Format the given paths of a part for an error: ` (organism.path=/models/base)`."""
    given = [f"{name}={path}" for name, path in given_paths(config).items() if name.partition(".")[0] == part]
    return f" ({', '.join(given)})" if given else ""
