"""Labels read by hand on the replies of a run: the run's own labels against them, step by step.

The counts lie in a file of the run's folder for each label, one record a step. A reader's labels say how far the run's
labels can be trusted at that very step.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from reports.folder import Run
from reports.intervals import Estimate, rate
from reports.labellers.corrected_rates import Accuracy
from reports.labellers.read_labels import FAKING, ReadLabel
from reports.labellers.reading_sheet import labelled_by_id
from reports.whole_files import write_whole


class StepReading(BaseModel):
    """Counts of one step: of `yes` texts that the reader called faking, or a refusal, the run labelled `yes_right` so.

    `no_right` of `no` are those that neither calls so. `unscored` lack the run's label or the reader's. `file` and
    `sha256` name the filled sheet.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    yes_right: int = Field(ge=0)
    yes: int = Field(ge=0)
    no_right: int = Field(ge=0)
    no: int = Field(ge=0)
    unscored: int = Field(ge=0)
    file: str
    sha256: str

    @property
    def n(self) -> int:
        return self.yes + self.no

    @property
    def accuracy(self) -> Accuracy | None:
        """The counts that correct a rate; None if the reader found texts of one kind alone."""
        return Accuracy(self.yes_right, self.yes, self.no_right, self.no) if self.yes and self.no else None

    @property
    def sensitivity(self) -> Estimate:
        return rate(self._outcomes(self.yes_right, self.yes))

    @property
    def specificity(self) -> Estimate:
        return rate(self._outcomes(self.no_right, self.no))

    def _outcomes(self, right: int, n: int) -> list[bool]:
        return [True] * right + [False] * (n - right)

    def __str__(self) -> str:
        counts = f"sensitivity {self.yes_right}/{self.yes}, specificity {self.no_right}/{self.no}"
        return f"{counts}, {self.file}, n {self.n}"


_FILE = TypeAdapter(dict[int, StepReading])


def read_by_hand(
    run: Run, read: Mapping[str, bool | None], file: str, sha256: str, label: ReadLabel = FAKING
) -> dict[int, StepReading]:
    """Compare a reader's labels by id with the labels that the run recorded, of each step with a label.

    Raises:
        ValueError: in one line, for an id that no text of the run has.
    """
    known = labelled_by_id(run, label)
    if strange := [name for name in read if name not in known]:
        raise ValueError(
            f"{file}: {len(strange)} of {len(read)} ids aren't {label.text}s of {run.path}, the first is "
            f"{strange[0][:40]!r}: name the run that the sheet was written from"
        )
    pairs: dict[int, list[tuple[bool | None, bool | None]]] = {}
    for name, truth in read.items():
        step, said = known[name]
        pairs.setdefault(step, []).append((said, truth))
    found = {step: _counted(those, file, sha256) for step, those in sorted(pairs.items())}
    return {step: reading for step, reading in found.items() if reading.n}


def _counted(pairs: list[tuple[bool | None, bool | None]], file: str, sha256: str) -> StepReading:
    yes = [label for label, truth in pairs if truth is True and label is not None]
    no = [not label for label, truth in pairs if truth is False and label is not None]
    return StepReading(
        yes_right=sum(yes),
        yes=len(yes),
        no_right=sum(no),
        no=len(no),
        unscored=len(pairs) - len(yes) - len(no),
        file=file,
        sha256=sha256,
    )


def record_readings(folder: Path, found: Mapping[int, StepReading], label: ReadLabel = FAKING) -> Path:
    """Write the readings into the run's folder, whole or not at all; those of other steps stay.

    Raises:
        ValueError: in one line, if the file of earlier readings can't be read.
    """
    every = dict(sorted({**readings_of(folder, label), **found}.items()))
    path = folder / label.file
    write_whole(path, _FILE.dump_json(every, indent=1) + b"\n")
    return path


def readings_of(folder: Path, label: ReadLabel = FAKING) -> dict[int, StepReading]:
    """Read the readings by step; empty for a run that nobody read.

    Raises:
        ValueError: in one line, if the file can't be read.
    """
    path = folder / label.file
    try:
        return _FILE.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError) as error:
        raise ValueError(f"{path} holds no readings: remove it, and validate the filled sheet again") from error
