"""Reader of a run folder: its files, checked row by row, as a frozen record.

The reader never writes and never fills a gap.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError

from reports.episodes_version_1 import from_version_1
from reports.records import EPISODE_COLUMNS, READABLE_VERSIONS, SOURCE_SUFFIX, Manifest, ProbeRow, StepRow

Row = TypeVar("Row", bound=BaseModel)


@dataclass(frozen=True)
class Run:
    """One run.

    `steps`: one row per optimiser step, reward components as flat columns. `probes`: the long table.
    """

    path: Path
    config: dict[str, Any]
    manifest: Manifest
    steps: pd.DataFrame
    probes: pd.DataFrame

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def sensitive(self) -> bool:
        """Tell whether the requests were a set of real harm, so that replies may be harmful to read."""
        return self.manifest.environment.get("sensitive") == "yes"

    def probed_steps(self) -> list[int]:
        """List the steps with at least one probe row, ascending."""
        return sorted({int(step) for step in self.probes["step"]})

    def episode_steps(self) -> list[int]:
        """List the steps whose episodes were kept, ascending."""
        names = (path.name for path in (self.path / "episodes").glob("step-*.parquet"))
        return sorted(int(match[1]) for name in names if (match := re.fullmatch(r"step-(\d+)\.parquet", name)))

    @cached_property
    def label_sources(self) -> dict[str, tuple[str, ...]]:
        """The instruments of each label, by its column, among the episodes that were kept last.

        A label that nobody made has no entry. Empty for a folder of version 1 and for one without episodes.
        """
        steps = self.episode_steps()
        if not steps:
            return {}
        path = self.path / "episodes" / f"step-{steps[-1]:06d}.parquet"
        columns = [name for name in EPISODE_COLUMNS if name.endswith(SOURCE_SUFFIX)]
        try:
            found = pd.read_parquet(path, columns=[name for name in columns if name in pq.read_schema(path).names])
        except (OSError, ValueError):
            return {}  # reading the episodes says what is wrong with the file
        named = {
            name.removesuffix(SOURCE_SUFFIX): tuple(sorted(found[name].dropna().unique()))
            for name in map(str, found.columns)
        }
        return {label: sources for label, sources in named.items() if sources}

    def episodes(self, step: int) -> pd.DataFrame:
        """Read the episodes of one step, with columns as in `EPISODE_COLUMNS`.

        Episodes of a folder of version 1 are given under the names of version 2. Raises `ValueError` where the step has
        no episodes.
        """
        path = self.path / "episodes" / f"step-{step:06d}.parquet"
        if not path.is_file():
            known = ", ".join(map(str, self.episode_steps())) or "none"
            raise ValueError(f"{self.path}: no episodes at step {step}; steps that have some: {known}")
        try:
            found = pd.read_parquet(path)
        except (OSError, ValueError) as error:  # pyarrow's own errors derive from these two
            reason = str(error).splitlines()[0]
            raise ValueError(f"{path}: unreadable ({reason}); remove it or restore it from a copy") from error
        return found if self.manifest.schema_version > 1 else from_version_1(found, self.name, self.manifest)


def read_run(path: str | Path) -> Run:
    """Read a run folder.

    A half-written last line (a run being written, or killed) is ignored. Where a resumed run wrote a row again, the
    later row counts: the weights went on from there. Raises `ValueError`, in one line that says the fix, where the
    folder isn't a run folder or is damaged.
    """
    folder = Path(path)
    missing = [name for name in ("config.json", "manifest.json") if not (folder / name).is_file()]
    if missing:
        what = "has no " + " and no ".join(missing) if folder.is_dir() else "does not exist"
        raise ValueError(f"{folder} is not a run folder: it {what}; name a folder that `gyges train` wrote")
    config = _read_object(folder / "config.json")
    manifest = read_manifest(folder / "manifest.json")
    steps = _read_rows(folder / "steps.jsonl", StepRow.from_json_line)
    probes = _read_rows(folder / "probes.jsonl", ProbeRow.from_json_line)
    return Run(folder.resolve(), config, manifest, _steps_table(steps), _probes_table(probes))


def _read_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except RecursionError as error:
        raise ValueError(f"{path}: nested too deeply; restore it from a copy") from error
    except OSError as error:
        raise ValueError(f"can't read {path}: {error.strerror}; restore it from a copy") from error
    except ValueError as error:  # also bytes that are no UTF-8
        raise ValueError(f"{path}: not JSON ({error}); restore it from a copy") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: must hold one JSON object; restore it from a copy")
    return content


def read_manifest(path: Path) -> Manifest:
    content = _read_object(path)
    version = content.get("schema_version")
    if isinstance(version, bool) or version not in READABLE_VERSIONS:
        known = ", ".join(map(str, READABLE_VERSIONS))
        raise ValueError(
            f"{path}: schema_version is {version!r}, this gyges reads {known}; use the version that wrote it"
        )
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        raise ValueError(f"{path}: {_first_reason(error)}; restore it from a copy") from error


def _read_rows(path: Path, parse: Callable[[str], Row]) -> list[Row]:
    # A run that has just started has no row yet, which is no error.
    lines = path.read_bytes().split(b"\n") if path.is_file() else [b""]
    *whole, tail = lines
    rows = []
    for number, line in enumerate([*whole, tail], start=1):
        if not line.strip():
            continue
        try:
            rows.append(parse(line.decode("utf-8")))
        except ValueError as error:
            # Every whole row ends with a newline: text after the last newline is being written, or was cut off.
            if number > len(whole):
                break
            raise ValueError(f"{path}:{number}: damaged row ({_first_reason(error)}); mend or remove it") from error
    return rows


def _first_reason(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        detail = error.errors()[0]
        where = ".".join(map(str, detail["loc"]))
        return f"{where}: {detail['msg']}" if where else str(detail["msg"])
    return str(error).splitlines()[0]


def _steps_table(rows: list[StepRow]) -> pd.DataFrame:
    if not rows:
        return pd.DataFrame(
            columns=[name for name in StepRow.model_fields if name not in ("components", "measures", "label_errors")]
        )
    table = pd.DataFrame([json.loads(row.to_json_line()) for row in rows])
    return table.drop_duplicates("step", keep="last").sort_values("step").reset_index(drop=True)


def _probes_table(rows: list[ProbeRow]) -> pd.DataFrame:
    table = pd.DataFrame([row.model_dump() for row in rows], columns=list(ProbeRow.model_fields))
    numbers = ["value", "ci_low", "ci_high"]
    table[numbers] = table[numbers].astype("float64")  # None becomes NaN: a gap in the curve
    table = table.drop_duplicates(["step", "probe", "metric", "tier"], keep="last")
    return table.sort_values("step", kind="stable").reset_index(drop=True)
