"""The checkpoints of one run: each is a Hugging Face model directory with the trainer's whole state beside it.

    step-000010/
        config.json  model.safetensors  tokenizer.json ...    whatever `write_model` wrote
        README.md                                             the model card, if `write_model` wrote one
        trainer/optimizer.safetensors                         tensors
        trainer/state.json                                    the rest
        checksums.json                                        sizes and SHA-256, written last

The trainer resumes from it; anything else loads it with `from_pretrained(path)`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from checkpoints import atomic, checksums
from checkpoints.plain_json import JSON, decode, encode
from checkpoints.rust_errors import as_os_error

_STEP = re.compile(r"step-(\d{6,})")


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint; `path` is the Hugging Face model directory, the tensors are on the CPU."""

    path: Path
    step: int
    tensors: Mapping[str, torch.Tensor]
    state: Mapping[str, JSON]


def step_name(step: int) -> str:
    """Return the directory's name: step-000010."""
    return f"step-{step:06d}"


def save(
    folder: Path,
    step: int,
    write_model: Callable[[Path], None],
    tensors: Mapping[str, torch.Tensor],
    state: Mapping[str, JSON],
) -> Path:
    """Write `folder/step-000010/` whole or not at all, replacing a checkpoint of the same step; return its path.

    Raises ValueError for a state that isn't plain JSON, and OSError if the disk refuses.
    """
    assert step >= 0, step
    text = encode(state)
    atomic.sweep_stale(folder)
    final = folder / step_name(step)
    with as_os_error(final), atomic.new_directory(final) as directory:
        write_model(directory)
        trainer = directory / "trainer"
        trainer.mkdir()
        plain = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
        save_file(plain, trainer / "optimizer.safetensors")
        (trainer / "state.json").write_text(text)
        checksums.write(directory)
    return final


def steps(folder: Path) -> list[int]:
    """List the steps of the complete checkpoints, ascending.

    Complete doesn't mean verified: `load` verifies.
    """
    return [step for step in _named(folder) if (folder / step_name(step) / checksums.NAME).is_file()]


def keep_only(folder: Path, kept: Collection[int]) -> None:
    """Remove the checkpoints of all other steps.

    Each is removed at once: a process that is killed leaves no damaged checkpoint.
    """
    for step in steps(folder):
        if step not in kept:
            atomic.remove_directory(folder / step_name(step))


def newest(folder: Path) -> int | None:
    """Return the last step that has a directory, or None.

    A directory without its checksums is damaged: `load` says so.
    """
    return max(_named(folder), default=None)


def latest(folder: Path) -> int | None:
    """Return the last complete step, or None. After a crash call `atomic.sweep_stale` first."""
    return max(steps(folder), default=None)


def _named(folder: Path) -> list[int]:
    """List the steps that have a directory, ascending."""
    names = {path.name for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else set()
    # A name like step-0000010 isn't ours and would not be found again under its number.
    numbers = (int(match[1]) for name in names if (match := _STEP.fullmatch(name)))
    return sorted({number for number in numbers if step_name(number) in names})


def load(folder: Path, step: int) -> Checkpoint:
    """Verify every file against its checksum, then read.

    Raises ValueError for a missing step, with the existing steps, and for a damaged step. The error of a damaged step
    names the file and the newest older step that is intact.
    """
    path = folder / step_name(step)
    if not path.is_dir():
        raise ValueError(_missing(folder, step))
    if wrong := checksums.damage(path):
        raise ValueError(f"checkpoint {path} is damaged: {wrong}; {_way_out(folder, step)}")
    state = decode((path / "trainer" / "state.json").read_text())
    assert isinstance(state, Mapping)
    return Checkpoint(path, step, load_file(path / "trainer" / "optimizer.safetensors"), state)


def _missing(folder: Path, step: int) -> str:
    existing = ", ".join(str(other) for other in steps(folder))
    if not existing:
        return f"{folder} holds no checkpoint of step {step}, nor of any other step"
    return f"{folder} holds no checkpoint of step {step}; steps that exist: {existing}"


def _way_out(folder: Path, step: int) -> str:
    run = folder.parent
    for older in reversed(steps(folder)):
        if older < step and checksums.damage(folder / step_name(older)) is None:
            return f"step {older} is intact, resume from it with: gyges resume {shlex.quote(str(run))} --step {older}"
    return f"no older step is intact, train again with: gyges train {shlex.quote(str(run / 'config.json'))}"
