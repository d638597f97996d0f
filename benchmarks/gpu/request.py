"""The order to a stage: sizes, models and folders."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Request:
    """The order to every stage of a measurement.

    `dry`: toy sizes. `model`: a directory of a real model of about 135 M weights, or None for random weights. `scratch`
    is a folder for models and runs that nobody keeps, and `out` the folder of results.
    """

    dry: bool
    model: str | None
    scratch: str
    out: str

    @property
    def models(self) -> Path:
        """The folder of random models."""
        return Path(self.scratch) / "models"

    @property
    def run(self) -> Path:
        """The run folder of the stage `recipe`, which the stage `kill_resume` repeats."""
        return Path(self.scratch) / "recipe"

    def write(self, file: Path) -> None:
        """Write the request as JSON."""
        file.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, file: Path) -> "Request":
        """Read a request that `write` wrote."""
        return cls(**json.loads(file.read_text()))
