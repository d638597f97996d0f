"""Validations of labellers on human labels, recorded in a file of the cache."""

from __future__ import annotations

from pathlib import Path
from typing import final

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from checkpoints import atomic
from checkpoints.cache import default_root

NEVER = "none"


@final
class Validation(BaseModel):
    """Counts of a labeller's right answers on human labels, and the SHA-256 of the file.

    `digest` names the version of the labeller. `yes_right` of `yes` positive texts and `no_right` of `no` negative ones
    were labelled rightly.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    labeller: str
    digest: str
    yes_right: int
    yes: int
    no_right: int
    no: int
    unscored: int
    auroc: float | None
    file: str
    sha256: str

    def __str__(self) -> str:
        counts = f"sensitivity={self.yes_right}/{self.yes}, specificity={self.no_right}/{self.no}"
        return f"{counts}, file={self.file}"


_FILE = TypeAdapter(dict[str, Validation])


def validations_file() -> Path:
    """Return the path of the file in the cache."""
    return default_root() / "labellers" / "validations.json"


def record(validation: Validation, path: Path | None = None) -> Path:
    """Write a validation beside the others; it replaces an earlier one of the same version of the labeller."""
    path = path or validations_file()
    found = {**_recorded(path), validation.digest: validation}
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(path, _FILE.dump_json(found, indent=1).decode() + "\n")
    return path


def validation_of(digest: str, path: Path | None = None) -> str:
    """Return the validation of this version of a labeller in one line, `NEVER` where there is none.

    Raises:
        ValueError: in one line, if the file of validations can't be read.
    """
    found = _recorded(path or validations_file()).get(digest)
    return NEVER if found is None else str(found)


def _recorded(path: Path) -> dict[str, Validation]:
    try:
        return _FILE.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError) as error:
        raise ValueError(f"{path} is no file of validations: remove it, and validate again with --save") from error
