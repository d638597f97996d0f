"""Run folder, the only state of a run: append-only, every row flushed, files whole or absent."""

import json
import os
import shlex
import subprocess
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from checkpoints import atomic, store
from checkpoints.lineage import hash_config, short
from checkpoints.lock import writer_lock
from reports.folder import read_manifest
from reports.records import SCHEMA_VERSION, Manifest, ProbeRow, StepRow
from rl.errors import Interrupted
from rl.organisms.trained import TrainedOrganism
from rl.run.config import RunConfig, parse

Status = Literal["running", "finished", "failed", "interrupted"]
RECORDED_PACKAGES = ("torch", "transformers", "trl", "peft", "numpy", "pandas", "tokenizers", "gyges")


@dataclass(frozen=True)
class RunFolder:
    """Run folder whose lock this process holds."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    def append_step(self, row: StepRow) -> None:
        self._append("steps.jsonl", [row.to_json_line()])

    def read_steps(self) -> list[StepRow]:
        """Read the recorded rows of all steps."""
        path = self.path / "steps.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [StepRow.from_json_line(line) for line in lines]

    def read_probes(self) -> list[ProbeRow]:
        """Read the recorded rows of all probes."""
        path = self.path / "probes.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [ProbeRow.from_json_line(line) for line in lines]

    def append_probes(self, rows: Sequence[ProbeRow]) -> None:
        self._append("probes.jsonl", [row.to_json_line() for row in rows])

    def _append(self, name: str, lines: Sequence[str]) -> None:
        with (self.path / name).open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())

    def add_episodes(self, step: int, rows: Sequence[dict[str, Any]], schema: pa.Schema) -> None:
        """Add rows to the step's Parquet file, replacing its rows of the same split; the file appears whole.

        A column that a row lacks is null; every file of a run has the same schema.
        """
        undeclared = {name for row in rows for name in row} - set(schema.names)
        assert not undeclared, f"episodes have columns that nothing declared: {', '.join(sorted(undeclared))}"
        path = self._episodes(step)
        columns = {name: [_encodable(row.get(name)) for row in rows] for name in schema.names}
        table = pa.table(columns, schema=schema)
        if path.exists():
            old = pq.ParquetFile(path).read()
            assert old.schema.equals(schema), f"{path} has other columns than its run"
            table = pa.concat_tables([old.filter(pc.invert(pc.is_in(old["split"], table["split"].unique()))), table])
        path.parent.mkdir(exist_ok=True)
        temporary = path.with_name(f".tmp-{path.name}")
        try:
            pq.write_table(table, temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def require_this_version(self, schema: pa.Schema) -> None:
        """Refuse to add to a run that was begun with other record schemas than this version's.

        Raises:
            ValueError: before anything is changed, in one line with the fix.
        """
        if not (self.path / "manifest.json").exists():
            return  # the run was stopped before it recorded anything
        version = self.read_manifest().schema_version
        fix = (
            "a run has one schema from start to end: continue it with the version of gyges that began it, or train "
            f"again with `{shlex.join(['gyges', 'train', str(self.path / 'config.json'), '--out', 'DIR'])}`"
        )
        if version != SCHEMA_VERSION:
            raise ValueError(f"{self.path} was begun under schema_version {version}, this is {SCHEMA_VERSION}; {fix}")
        begun = next(iter(sorted((self.path / "episodes").glob("step-*.parquet"))), None)
        if begun is not None and not _schema(begun).equals(schema):
            raise ValueError(f"{begun} has other columns than this version writes; {fix}")

    def _episodes(self, step: int) -> Path:
        return self.path / "episodes" / f"{store.step_name(step)}.parquet"

    def write_manifest(self, manifest: Manifest) -> None:
        atomic.write_text(self.path / "manifest.json", manifest.model_dump_json(indent=2))

    def read_manifest(self) -> Manifest:
        """Read the manifest.

        Raises:
            ValueError: for an unreadable manifest or an unknown schema version.
        """
        return read_manifest(self.path / "manifest.json")

    def close(
        self,
        status: Status,
        reason: str | None = None,
        non_finite_losses: int = 0,
        nondeterministic: Collection[str] = (),
    ) -> None:
        """Record the end of the run, and add to its count of steps refused for a loss that isn't finite."""
        manifest = self.read_manifest()
        counted = manifest.non_finite_losses + non_finite_losses
        update = {
            "status": status, "reason": reason, "finished": utc_now(), "non_finite_losses": counted,
            "nondeterministic_operations": sorted({*manifest.nondeterministic_operations, *nondeterministic}),
        }  # fmt: skip
        self.write_manifest(manifest.model_copy(update=update))

    def close_if_running(self) -> None:
        """Record an immediate stop by the user, unless the manifest already records an end."""
        if (self.path / "manifest.json").exists() and self.read_manifest().status == "running":
            self.close("interrupted", "stopped at once by the user: what came after the last checkpoint is lost")

    def rewind(self, step: int) -> None:
        """Drop the records after the checkpoint of `step`, and the probes of `step` itself, which are taken again.

        The resumed run writes the dropped records again, the same, so that no step is recorded twice.
        """
        atomic.sweep_stale(self.checkpoints)
        self._keep("steps.jsonl", lambda row: row["step"] <= step)
        self._keep("probes.jsonl", lambda row: row["step"] < step)
        for later in store.steps(self.checkpoints):
            if later > step:
                atomic.remove_directory(self.checkpoints / store.step_name(later))
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
                continue  # the half-written last line of a killed run
            if wanted(row):
                kept.append(line)
        atomic.write_text(path, "".join(f"{line}\n" for line in kept))


@contextmanager
def create(path: Path, config: RunConfig) -> Iterator[RunFolder]:
    """Create a run folder and hold its lock until the block ends; a failure before the manifest leaves nothing.

    Raises:
        ValueError: if the folder holds a run or other files, can't be made, or is held by another process.
    """
    if (path / "manifest.json").exists():
        raise ValueError(
            f"{path} holds a run already: continue it with `{resume_command(path)}`, or choose another --out"
        )
    if path.exists() and not all(_left_by_a_failed_start(child.name) for child in path.iterdir()):
        raise ValueError(f"{path} is not empty and holds no run: choose another --out")
    # Parsed again, as readers of the file will: values set by `model_copy` are checked, and paths made absolute.
    recorded = parse(config.model_dump(mode="json"))
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"can't make the run folder {path}: {error.strerror}; choose another --out") from error
    with writer_lock(path):
        atomic.write_text(path / "config.json", recorded.model_dump_json(indent=2))
        try:
            with _not_left_running(RunFolder(path)) as folder:
                yield folder
        except BaseException:
            _clear_failed_start(path)
            raise


def resume_command(path: Path, step: int | None = None) -> str:
    """Return the command that continues the run, quoted for a shell."""
    return shlex.join(["gyges", "resume", str(path), *([] if step is None else ["--step", str(step)])])


def default_folder(config: RunConfig, parent: Path) -> Path:
    """Return the default folder of a run, `<name>-<seed>-<short hash of the configuration>`, in `parent`.

    On another build of the organism than 0 the name ends with `-b` and the build's number.
    """
    return parent / default_name(config)


def default_name(config: RunConfig) -> str:
    """Return the name of a run, which is unique wherever the run's folder lies."""
    build = config.organism.seed if isinstance(config.organism, TrainedOrganism) else 0
    named = f"{config.name}-b{build}" if build else config.name
    return f"{named}-{config.seed}-{short(hash_config(config.model_dump(mode='json')))}"


def _schema(path: Path) -> pa.Schema:
    try:
        return pq.read_schema(path)
    except (OSError, ValueError) as error:  # pyarrow's own errors derive from these two
        raise ValueError(f"{path} is unreadable: remove it or restore it from a copy") from error


def _encodable(value: Any) -> Any:
    """Replace lone surrogates, which have no UTF-8 form, by `?`: they must not cost a step."""
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value


def _clear_failed_start(path: Path) -> None:
    """Remove a run folder whose start failed before its manifest was written, unless it holds other files."""
    if (path / "manifest.json").exists() or not all(_left_by_a_failed_start(child.name) for child in path.iterdir()):
        return
    with suppress(OSError):
        for child in list(path.iterdir()):
            child.unlink()
        path.rmdir()


def _left_by_a_failed_start(name: str) -> bool:
    """Return True for the name of a file that a start may leave if killed before its manifest is written."""
    return name in ("config.json", "run.lock", "run.lock.json") or name.startswith((".tmp-", ".run.lock"))


@contextmanager
def reopen(path: Path, wait_s: float = 0) -> Iterator[RunFolder]:
    """Open an existing run folder and hold its lock until the block ends.

    A lock that another process holds is waited for at most `wait_s` seconds.

    Raises:
        ValueError: if there is no run, or another process holds the folder.
    """
    if not (path / "config.json").is_file():
        start = shlex.join(["gyges", "train", "--out", str(path)])
        raise ValueError(f"{path} holds no run (config.json is missing): start one with `{start}`")
    with writer_lock(path, wait_s), _not_left_running(RunFolder(path)) as folder:
        yield folder


@contextmanager
def _not_left_running(folder: RunFolder) -> Iterator[RunFolder]:
    """Record the end of the run in the manifest if a signal ends the block at once."""
    try:
        yield folder
    except (KeyboardInterrupt, Interrupted):
        with suppress(OSError, ValueError):
            folder.close_if_running()
        raise


def mark_interrupted(path: Path, wait_s: float) -> None:
    """Record an immediate stop for a killed writer, after at most `wait_s` seconds of waiting for its end."""
    with suppress(OSError, ValueError), reopen(path, wait_s) as folder:
        folder.close_if_running()


def utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that a run's numbers depend on."""
    return {name: version(name) for name in RECORDED_PACKAGES}


def code_state() -> tuple[str | None, bool | None]:
    """Return the commit of the checkout and whether it has uncommitted changes; None for both without git."""
    root = Path(__file__).resolve().parents[2]

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
        except OSError:
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit, changes = git("rev-parse", "HEAD"), git("status", "--porcelain")
    return commit, None if changes is None else bool(changes)
