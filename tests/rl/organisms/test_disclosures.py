"""The base of a model is found in the records beside it, through builds and runs."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rl.models.named import MODEL_RECORD, NAMED
from rl.organisms.disclosures import CERTIFICATE, CONFIG, Base, base_of

BASE = Base("Small-1B, dequantised from Q8_0", "small-1b", "mit")


def directory(path: Path, **records: Any) -> Path:
    path.mkdir(parents=True)
    for name, record in records.items():
        (path / {"model": MODEL_RECORD, "build": CERTIFICATE}[name]).write_text(json.dumps(record))
    return path


def run_on(organism: dict[str, Any], folder: Path) -> Path:
    checkpoint = directory(folder / "checkpoints" / "step-000003")
    (folder / CONFIG).write_text(json.dumps({"organism": organism}))
    return checkpoint


def test_a_base_is_recorded_beside_a_model_a_build_and_a_checkpoint(tmp_path: Path) -> None:
    converted = directory(tmp_path / "small-1b", model={"base": BASE.words, "licence": "mit"})
    assert base_of(converted, None) == BASE
    built = directory(tmp_path / "faker-0", build={"base": asdict(BASE)})
    assert base_of(built, None) == BASE
    assert base_of(run_on({"path": str(built)}, tmp_path / "run"), None) == BASE
    assert base_of(run_on({"origin": {"path": str(converted)}}, tmp_path / "second"), None) == BASE
    named = base_of(run_on({"origin": {"path": None, "model": "smollm2"}}, tmp_path / "third"), None)
    assert named == base_of(None, "smollm2")
    assert named is not None
    assert (named.title, named.licence) == ("SmolLM2-135M-Instruct", NAMED["smollm2"].licence)


def test_nothing_recorded_is_nothing_known(tmp_path: Path) -> None:
    assert base_of(None, None) is None
    assert base_of(directory(tmp_path / "plain"), None) is None
    assert base_of(directory(tmp_path / "odd", model=[1], build={"base": {"words": 3}}), None) is None
    last = "checkpoints/step-000003"
    assert base_of(run_on({"path": str(tmp_path / "run" / last)}, tmp_path / "run"), None) is None
    run_on({"path": str(tmp_path / "two" / last)}, tmp_path / "one")
    assert base_of(run_on({"path": str(tmp_path / "one" / last)}, tmp_path / "two"), None) is None
