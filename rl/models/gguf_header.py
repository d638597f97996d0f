"""The header of a GGUF file: read and held against the file's size before anything is converted."""

import struct
from collections import Counter
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from gguf import GGMLQuantizationType
from transformers.integrations.gguf import GgufHeader, read_gguf_metadata

MAGIC = b"GGUF"


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a file: its metadata, and by tensor the count of numbers and the type in which they are held."""

    metadata: dict[str, Any]
    numbers: dict[str, int]
    types: dict[str, str]

    @property
    def architecture(self) -> str:
        return str(self.metadata["general.architecture"])

    @property
    def quantisation(self) -> str:
        """The type that holds most of the numbers."""
        held: Counter[str] = Counter()
        for name, count in self.numbers.items():
            held[self.types[name]] += count
        return held.most_common(1)[0][0]

    @property
    def pre_tokenizer(self) -> str:
        """The rule for cutting text before byte-pair merges, by name; empty without one."""
        return str(self.metadata.get("tokenizer.ggml.pre", ""))

    def token(self, name: str) -> int | None:
        """Return the id of a special token such as `eos`; None where the file names none."""
        found = self.metadata.get(f"tokenizer.ggml.{name}_token_id")
        return None if found is None else int(found)


def read_header(file: Path) -> Header:
    """Read the header of a GGUF file, and hold the file's size against the places of its tensors.

    Raises:
        ValueError: in one line, for a file that can't be read, is no GGUF file, is cut short, or has no tensors.
    """
    try:
        with file.open("rb") as opened:
            magic = opened.read(len(MAGIC))
    except OSError as error:
        raise ValueError(f"can't read {file}: {error.strerror}") from error
    if magic != MAGIC:
        raise ValueError(f"{file} is not a GGUF file (it doesn't begin with GGUF): give the .gguf file of a model")
    try:
        metadata, _ = read_gguf_metadata(str(file))
        header = GgufHeader.from_file(str(file))
        types = {tensor.name: GGMLQuantizationType(tensor.ggml_type).name for tensor in header.tensors}
    # The reader trusts the counts and lengths in the file: another error arises by where they lead.
    except struct.error as error:
        raise ValueError(f"{file} is no whole GGUF file (it ends within its header): get the file again") from error
    except (IndexError, KeyError, OverflowError, MemoryError, TypeError, ValueError) as error:
        reason = (str(error).splitlines() or [""])[0].replace(f"{file} ", "it ") or type(error).__name__
        raise ValueError(f"{file} is no whole GGUF file ({reason}): get the file again") from error
    if not header.tensors:
        raise ValueError(f"{file} holds no tensors: give the .gguf file of a model with its weights")
    end = max(header.data_start + tensor.offset + tensor.nbytes for tensor in header.tensors)
    size = file.stat().st_size
    if size < end:
        raise ValueError(f"{file} is cut short: it has {size} bytes of {end}: get the file again")
    return Header(metadata, {tensor.name: prod(tensor.shape) for tensor in header.tensors}, types)
