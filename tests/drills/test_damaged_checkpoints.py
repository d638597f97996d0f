"""A checkpoint that is truncated, bit-flipped or half-deleted, file by file: named, and the last good one offered."""

import random
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rl.conftest import Gyges, same_run

pytestmark = pytest.mark.slow

LAST = "checkpoints/step-000004"
CHANCE = random.Random(12)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    at = CHANCE.randrange(len(data))
    data[at] ^= 1 << CHANCE.randrange(8)
    path.write_bytes(data)


def remove(path: Path) -> None:
    path.unlink()


def make_a_directory_of(path: Path) -> None:
    path.unlink()
    path.mkdir()


MODEL = ("config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja", "generation_config.json")
TRAINER = ("trainer/optimizer.safetensors", "trainer/state.json")
CASES: list[tuple[str, Callable[[Path], None]]] = [
    *((file, flip_a_bit) for file in (*MODEL, *TRAINER, "checksums.json")),
    *((file, truncate) for file in ("config.json", "model.safetensors", *TRAINER, "checksums.json")),
    *((file, remove) for file in ("model.safetensors", "tokenizer.json", *TRAINER, "checksums.json")),
    ("model.safetensors", empty),
    ("checksums.json", empty),
    ("trainer/state.json", make_a_directory_of),
    ("checksums.json", make_a_directory_of),
]


def test_there_are_twenty_cases_or_more_over_every_file(finished: Path) -> None:
    files = {path.relative_to(finished / LAST).as_posix() for path in (finished / LAST).rglob("*") if path.is_file()}
    assert len(CASES) >= 20
    assert files - {file for file, _ in CASES} <= {"tokenizer_config.json", "special_tokens_map.json"}
    assert {file for file, _ in CASES} <= files


@pytest.mark.parametrize(("file", "harm"), CASES, ids=lambda part: getattr(part, "__name__", part))
def test_damage_is_named_and_resuming_from_the_last_good_one_ends_the_same(
    file: str, harm: Callable[[Path], None], gyges: Gyges, finished: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "my run"))
    harm(run / LAST / file)
    for command in ("resume", "probe"):
        done = gyges(command, str(run))
        assert done.code == 2, done.output
        assert len(done.output.splitlines()) == 1, done.output
        assert f"checkpoint {run / LAST} is damaged: " in done.output
        assert Path(file).name in done.output or file == "checksums.json"
        assert "step 2 is intact, resume from it with: " in done.output
    offered = shlex.split(done.output.partition("resume from it with: ")[2])
    assert offered == ["gyges", "resume", str(run), "--step", "2"]
    done = gyges(*offered[1:])
    assert done.code == 0, done.output
    same_run(run, finished)


@pytest.mark.parametrize("left", ["nothing", "half of the files", "checksums alone"])
def test_a_directory_that_is_half_deleted_is_named_too(left: str, gyges: Gyges, finished: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    files = sorted(path for path in (run / LAST).rglob("*") if path.is_file())
    kept = {"nothing": [], "half of the files": files[::2], "checksums alone": [run / LAST / "checksums.json"]}[left]
    for path in files:
        if path not in kept:
            path.unlink()
    done = gyges("resume", str(run))
    assert done.code == 2, done.output
    assert f"checkpoint {run / LAST} is damaged: " in done.output
    done = gyges("resume", str(run), "--step", "2")
    assert done.code == 0, done.output
    same_run(run, finished)


def test_where_the_last_two_are_damaged_the_one_before_is_offered(gyges: Gyges, finished: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    for step in (2, 4):
        flip_a_bit(run / f"checkpoints/step-{step:06d}/model.safetensors")
    done = gyges("resume", str(run))
    assert done.output.rstrip().endswith(f"gyges resume {run} --step 0")
    assert gyges("resume", str(run), "--step", "0").code == 0
    same_run(run, finished)
