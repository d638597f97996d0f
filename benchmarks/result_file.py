"""The result of a benchmark as a file: numbers, machine and settings."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from benchmarks.medians import Middle
from checkpoints import atomic

_FROZEN = ConfigDict(extra="forbid", frozen=True)


class Rates(BaseModel):
    """Medians of rates at one number of threads.

    `matrix` is the best of `matrix_by_shape`; copies count each byte once.
    """

    model_config = _FROZEN

    matrix_gflop_per_s: float
    matrix_by_shape_gflop_per_s: dict[str, float]
    copy_gb_per_s: float


class Fingerprint(BaseModel):
    """The machine of a result.

    `memory_gib` is the installed memory, not the free memory.
    """

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
    """One run of a benchmark.

    `ratios` may not fall: more is better. `details` are the benchmark's own numbers.
    """

    model_config = _FROZEN

    benchmark: str
    machine: Fingerprint
    settings: dict[str, JsonValue]
    ratios: dict[str, Middle]
    details: dict[str, JsonValue]


def write(result: Result, path: Path) -> None:
    """Write the result whole or not at all; create its folder if missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(path, result.model_dump_json(indent=2) + "\n")


def read(path: Path) -> Result:
    """Read a result.

    Raises:
        ValueError: if the file can't be read, or isn't a result.
    """
    try:
        return Result.model_validate_json(path.read_text())
    except OSError as error:
        raise ValueError(f"can't read {path}: {error.strerror}; a benchmark writes one with --out") from error
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"]) or "the file"
        raise ValueError(f"{path} is not a result of a benchmark: {where}: {problem['msg']}") from error
