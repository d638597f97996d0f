"""Checkpoints are verified, and what is wrong with one is said together with the way out."""

import errno
import json
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from checkpoints import atomic, checksums, store
from checkpoints.plain_json import JSON

ROOT = Path(__file__).resolve().parents[2]
TENSORS = {"optimizer/0/exp_avg": torch.arange(6.0).reshape(2, 3), "rng": torch.get_rng_state()}
STATE: dict[str, JSON] = {"seed": 7, "lr": 0.1 + 0.2, "rng": 2**127 + 1, "groups": [{"betas": [0.9, 0.999]}]}


def write_model(directory: Path) -> None:
    (directory / "config.json").write_text("{}")
    (directory / "model.safetensors").write_bytes(bytes(range(256)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run with intact checkpoints of steps 0, 10 and 20."""
    checkpoints = tmp_path / "my run" / "checkpoints"
    for step in (20, 0, 10):
        store.save(checkpoints, step, write_model, TENSORS, STATE)
    return checkpoints


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def test_a_checkpoint_comes_back_as_it_was_saved(folder: Path) -> None:
    checkpoint = store.load(folder, 10)
    assert checkpoint.path == folder / "step-000010"
    assert checkpoint.step == 10
    assert checkpoint.state == STATE
    assert checkpoint.tensors.keys() == TENSORS.keys()
    assert all(torch.equal(checkpoint.tensors[name], TENSORS[name]) for name in TENSORS)


def test_the_layout_is_the_documented_one(folder: Path) -> None:
    path = folder / "step-000010"
    files = {file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()}
    written = {"config.json", "model.safetensors", "trainer/optimizer.safetensors", "trainer/state.json"}
    assert files == written | {"checksums.json"}
    assert json.loads((path / "checksums.json").read_text()).keys() == written


def test_steps_and_latest_count_complete_checkpoints_only(folder: Path, tmp_path: Path) -> None:
    for name in ("step-000030", "step-0000040", "step-x", ".tmp-step-000050-01234567"):
        (folder / name).mkdir()
    (folder / "step-0000040" / "checksums.json").write_text("{}")
    assert store.steps(folder) == [0, 10, 20]
    assert store.latest(folder) == 20
    assert store.steps(tmp_path / "absent") == []
    assert store.latest(tmp_path / "absent") is None
    # Nothing of ours leaves a directory without checksums under that name: who resumes is to be told.
    assert store.newest(folder) == 30
    assert store.newest(tmp_path / "absent") is None
    with pytest.raises(ValueError, match=r"checksums\.json is missing; step 20 is intact"):
        store.load(folder, 30)


def test_steps_beyond_six_digits_are_found(tmp_path: Path) -> None:
    store.save(tmp_path, 1_234_567, write_model, {}, {})
    assert store.latest(tmp_path) == 1_234_567
    assert store.load(tmp_path, 1_234_567).tensors == {}


def test_a_missing_step_names_those_that_exist(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no checkpoint of step 15; steps that exist: 0, 10, 20$"):
        store.load(folder, 15)
    with pytest.raises(ValueError, match=r"no checkpoint of step 15, nor of any other step$"):
        store.load(tmp_path, 15)


def test_a_truncated_file_is_named_with_its_sizes_and_the_way_out(folder: Path) -> None:
    file = folder / "step-000020" / "model.safetensors"
    truncate(file)
    with pytest.raises(ValueError, match="damaged") as caught:
        store.load(folder, 20)
    assert str(caught.value) == (
        f"checkpoint {folder}/step-000020 is damaged: model.safetensors has 100 bytes, expected 256 bytes; "
        f"step 10 is intact, resume from it with: gyges resume '{folder.parent}' --step 10"
    )


@pytest.mark.parametrize(
    ("file", "harm", "said"),
    [
        (
            "trainer/optimizer.safetensors",
            flip_a_bit,
            r"optimizer\.safetensors has the expected \d+ bytes but its content",
        ),
        ("trainer/state.json", Path.unlink, r"trainer/state\.json is missing"),
        ("checksums.json", Path.unlink, r"checksums\.json is missing"),
        ("checksums.json", truncate, r"checksums\.json can't be read"),
    ],
)
def test_every_kind_of_damage_is_found(folder: Path, file: str, harm: Callable[[Path], None], said: str) -> None:
    harm(folder / "step-000020" / file)
    with pytest.raises(ValueError, match=said) as caught:
        store.load(folder, 20)
    assert str(caught.value).endswith("--step 10")
    assert "\n" not in str(caught.value)


def test_the_way_out_skips_older_steps_that_are_damaged_too(folder: Path) -> None:
    for step in (10, 20):
        flip_a_bit(folder / store.step_name(step) / "model.safetensors")
    with pytest.raises(ValueError, match=r"--step 0$"):
        store.load(folder, 20)


def test_with_no_intact_older_step_the_way_out_is_to_train_again(folder: Path) -> None:
    flip_a_bit(folder / "step-000000" / "model.safetensors")
    with pytest.raises(ValueError, match=re.escape(f"gyges train '{folder.parent / 'config.json'}'")):
        store.load(folder, 0)


def test_a_step_is_replaced_when_it_is_saved_again(folder: Path) -> None:
    store.save(folder, 20, write_model, {"only": torch.ones(1)}, {"again": True})
    assert store.load(folder, 20).state == {"again": True}
    assert sorted(path.name for path in folder.iterdir()) == ["step-000000", "step-000010", "step-000020"]


def test_a_disk_that_fills_up_leaves_the_older_checkpoints_and_nothing_else(folder: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            store.save(folder, 30, write_model, {"big": torch.zeros(10_000)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(path.name for path in folder.iterdir()) == ["step-000000", "step-000010", "step-000020"]


def test_a_tokenizer_that_meets_a_full_disk_is_the_same_error(folder: Path) -> None:
    # The library's own exception for it is a bare `Exception`, and its text alone tells the number.
    tokenizer = Tokenizer(WordLevel({f"word{n}": n for n in range(2000)}, unk_token="word0"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(OSError, match=r"can't write .*step-000030: .*too large") as caught:
            store.save(folder, 30, lambda directory: tokenizer.save(str(directory / "tokenizer.json")), {}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG
    assert sorted(path.name for path in folder.iterdir()) == ["step-000000", "step-000010", "step-000020"]


def test_an_exception_that_is_not_of_the_disk_goes_through(folder: Path) -> None:
    def fail(directory: Path) -> None:
        raise RuntimeError("os error 28")

    with pytest.raises(RuntimeError, match=r"^os error 28$"):
        store.save(folder, 30, fail, {}, {})


def test_a_model_that_can_not_be_written_leaves_nothing(folder: Path) -> None:
    def write_half(directory: Path) -> None:
        write_model(directory)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        store.save(folder, 20, write_half, {}, {})
    assert store.load(folder, 20).state == STATE


@pytest.mark.parametrize("state", [{"loss": float("nan")}, {"path": Path("x")}, {"outer": {1: 2}}])
def test_a_state_that_json_would_change_is_refused(tmp_path: Path, state: dict[str, JSON]) -> None:
    with pytest.raises(ValueError, match="not plain JSON"):
        store.save(tmp_path / "checkpoints", 0, write_model, {}, state)
    assert not (tmp_path / "checkpoints").exists()


def test_kill_9_while_saving_leaves_the_older_checkpoint_the_latest(folder: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from checkpoints import store
def write_model(directory):
    (directory / "model.safetensors").write_bytes(bytes(100))
    print("ready", flush=True)
    time.sleep(60)
store.save(Path(sys.argv[1]), 30, write_model, {}, {})
"""
    with subprocess.Popen([sys.executable, "-c", code, str(folder)], cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGKILL)
    assert store.latest(folder) == 20
    assert atomic.sweep_stale(folder) == ["step-000030"]
    assert sorted(path.name for path in folder.iterdir()) == ["step-000000", "step-000010", "step-000020"]


def test_files_added_later_are_not_damage(folder: Path) -> None:
    (folder / "step-000010" / "README.md").write_text("mine")
    assert checksums.damage(folder / "step-000010") is None
