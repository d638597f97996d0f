"""A result as a file: what was measured, on which machine, with which settings."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from benchmarks.medians import Middle
from checkpoints import atomic

_FROZEN = ConfigDict(extra="forbid", frozen=True)


class Rates(BaseModel):
    """Medians, at one number of threads. `matrix` is the best of `matrix_by_shape`; copies count each byte once."""

    model_config = _FROZEN

    matrix_gflop_per_s: float
    matrix_by_shape_gflop_per_s: dict[str, float]
    copy_gb_per_s: float


class Fingerprint(BaseModel):
    """The machine that a result comes from. `memory_gib` is what it has, not what is free."""

    model_config = _FROZEN

    cpu: str
    cores: int
    memory_gib: float | None
    device: str
    operating_system: str
    python: str
    packages: dict[str, str]
    threads: int
    commit: str | None
    dirty: bool | None
    rates: Rates


class Result(BaseModel):
    """One run of a benchmark. `ratios` are what may not fall: more is better; `details` are its own numbers."""

    model_config = _FROZEN

    benchmark: str
    machine: Fingerprint
    settings: dict[str, JsonValue]
    ratios: dict[str, Middle]
    details: dict[str, JsonValue]


def write(result: Result, path: Path) -> None:
    """Writes the result whole or not at all, and the folder that it is to lie in where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(path, result.model_dump_json(indent=2) + "\n")


def read(path: Path) -> Result:
    """Reads a result.

    Raises:
        ValueError: if there is none, or it isn't one.
    """
    try:
        return Result.model_validate_json(path.read_text())
    except OSError as error:
        raise ValueError(f"can't read {path}: {error.strerror}; a benchmark writes one with --out") from error
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"]) or "the file"
        raise ValueError(f"{path} is not a result of a benchmark: {where}: {problem['msg']}") from error
