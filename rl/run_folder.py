"""Writes a run folder, the only state of a run: append-only, every row flushed, files whole or absent."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from checkpoints import atomic, store
from checkpoints.lineage import hash_config, short
from checkpoints.lock import writer_lock
from reports.folder import read_manifest
from reports.records import EPISODE_COLUMNS, Manifest, ProbeRow, StepRow
from rl.config import RunConfig

Status = Literal["running", "finished", "failed", "interrupted"]
RECORDED_PACKAGES = ("torch", "transformers", "trl", "peft", "numpy", "pandas", "tokenizers", "gyges")


@dataclass(frozen=True)
class RunFolder:
    """A run folder that this process holds the lock of."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    def append_step(self, row: StepRow) -> None:
        self._append("steps.jsonl", [row.to_json_line()])

    def read_steps(self) -> list[StepRow]:
        """The rows of every step that is recorded."""
        path = self.path / "steps.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [StepRow.from_json_line(line) for line in lines]

    def append_probes(self, rows: Sequence[ProbeRow]) -> None:
        self._append("probes.jsonl", [row.to_json_line() for row in rows])

    def _append(self, name: str, lines: Sequence[str]) -> None:
        with (self.path / name).open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())

    def add_episodes(self, step: int, rows: Sequence[dict[str, Any]]) -> None:
        """Adds rows to the step's Parquet file, replacing its rows of the same split: the file appears whole."""
        path = self._episodes(step)
        frame = pd.DataFrame(list(rows))
        extra = sorted(set(frame.columns) - set(EPISODE_COLUMNS))
        frame = frame.reindex(columns=[*EPISODE_COLUMNS, *extra])
        if path.exists():
            old = pd.read_parquet(path)
            frame = pd.concat([old[~old["split"].isin(frame["split"].unique())], frame], ignore_index=True)
        path.parent.mkdir(exist_ok=True)
        temporary = path.with_name(f".tmp-{path.name}")
        try:
            frame.to_parquet(temporary, index=False)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def _episodes(self, step: int) -> Path:
        return self.path / "episodes" / f"{store.step_name(step)}.parquet"

    def write_manifest(self, manifest: Manifest) -> None:
        atomic.write_text(self.path / "manifest.json", manifest.model_dump_json(indent=2))

    def read_manifest(self) -> Manifest:
        """The manifest as it stands; refuses a version that this code doesn't know, before anything is touched."""
        return read_manifest(self.path / "manifest.json")

    def close(self, status: Status, reason: str | None = None, non_finite_losses: int = 0) -> None:
        """Records how the run ended, and adds to the count of steps that were refused for a loss that isn't finite."""
        manifest = self.read_manifest()
        counted = manifest.non_finite_losses + non_finite_losses
        update = {"status": status, "reason": reason, "finished": utc_now(), "non_finite_losses": counted}
        self.write_manifest(manifest.model_copy(update=update))

    def rewind(self, step: int) -> None:
        """Drops what came after the checkpoint of `step`, and the probes of `step` itself, which are taken again.

        Everything dropped is written again, the same, by the resumed run: no step is recorded twice.
        """
        atomic.sweep_stale(self.checkpoints)
        self._keep("steps.jsonl", lambda row: row["step"] <= step)
        self._keep("probes.jsonl", lambda row: row["step"] < step)
        for later in store.steps(self.checkpoints):
            if later > step:
                shutil.rmtree(self.checkpoints / store.step_name(later))
        for file in (self.path / "episodes").glob("step-*.parquet"):
            if int(file.stem.removeprefix("step-")) > step:
                file.unlink()

    def _keep(self, name: str, wanted: Any) -> None:
        path = self.path / name
        if not path.exists():
            return
        kept = []
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue  # the half-written last line of a run that was killed
            if wanted(row):
                kept.append(line)
        atomic.write_text(path, "".join(f"{line}\n" for line in kept))


@contextmanager
def create(path: Path, config: RunConfig) -> Iterator[RunFolder]:
    """A new run folder, held until the block ends.

    Raises:
        ValueError: if a run is there already, or another process holds the folder.
    """
    if (path / "manifest.json").exists():
        raise ValueError(f"{path} holds a run already: continue it with `gyges resume {path}`, or choose another --out")
    if path.exists() and not all(_left_by_a_failed_start(child.name) for child in path.iterdir()):
        raise ValueError(f"{path} is not empty and holds no run: choose another --out")
    path.mkdir(parents=True, exist_ok=True)
    with writer_lock(path):
        atomic.write_text(path / "config.json", config.model_dump_json(indent=2))
        yield RunFolder(path)


def default_folder(config: RunConfig, parent: Path) -> Path:
    """Where a run lies if nothing else is said: `<name>-<seed>-<short hash of the configuration>`."""
    return parent / f"{config.name}-{config.seed}-{short(hash_config(config.model_dump(mode='json')))}"


def _left_by_a_failed_start(name: str) -> bool:
    """What a run leaves that failed before its manifest was written, as when its organism could not be built."""
    return name in ("config.json", "run.lock", "run.lock.json") or name.startswith((".tmp-", ".run.lock"))


@contextmanager
def reopen(path: Path, wait_s: float = 0) -> Iterator[RunFolder]:
    """An existing run folder, held until the block ends. Waits for one that holds it now at most `wait_s` seconds.

    Raises:
        ValueError: if there is no run, or another process holds the folder.
    """
    if not (path / "config.json").is_file():
        raise ValueError(f"{path} holds no run (config.json is missing): start one with `gyges train --out {path}`")
    with writer_lock(path, wait_s):
        yield RunFolder(path)


def utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def package_versions() -> dict[str, str]:
    """The versions that a run's numbers depend on."""
    return {name: version(name) for name in RECORDED_PACKAGES}


def code_state() -> tuple[str | None, bool | None]:
    """Commit of the checkout and whether it has uncommitted changes; None where there is no git."""
    root = Path(__file__).resolve().parent.parent

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
        except OSError:
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit, changes = git("rev-parse", "HEAD"), git("status", "--porcelain")
    return commit, None if changes is None else bool(changes)
