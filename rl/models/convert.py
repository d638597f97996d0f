"""Conversion of a GGUF file to a Hugging Face causal LM directory in float32."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from tokenizers import pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from checkpoints import atomic
from checkpoints.rust_errors import as_os_error
from envs.chat import FIXED_DAY, style_for
from rewards.weights import named, require_all_weights
from rl.models.card import describe, write_card
from rl.models.directories import refuse_existing
from rl.models.gguf_header import Header, read_header
from rl.policy.self_test import first_line

# Rules that cut every digit apart before GPT-2's rule. Transformers reads these as GPT-2's rule alone, which encodes
# blanks and line breaks before a digit otherwise than in the model's training.
DIGITS_APART = frozenset(("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"))


def convert(gguf: Path, directory: Path, template: Path | None = None) -> Path:
    """Write the model of a GGUF file as a causal LM directory, with tokenizer, chat template and card; return it.

    `template`: a file with a chat template that takes the place of the file's own.

    Raises:
        ValueError: in one line: `directory` exists; as `read_header`; an architecture or a type of weights that
            Transformers can't read; weights that are missing or have no place; no chat template; no end token.
    """
    refuse_existing(directory)
    header = read_header(gguf)
    with as_os_error(directory), atomic.new_directory(directory) as unfinished:
        write_model(gguf, header, unfinished, template)
    return directory


def write_model(gguf: Path, header: Header, directory: Path, template: Path | None = None) -> None:
    """Fill an empty directory with the model of a GGUF file.

    Raises:
        ValueError: as `convert`.
    """
    with _alone(gguf) as place:
        tokenizer = _tokenizer(gguf, place, header, template)
        model = _model(gguf, place, header)
    model.generation_config = _generation(gguf, tokenizer, header)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    write_card(directory, describe(gguf, header))


@contextmanager
def _alone(gguf: Path) -> Iterator[dict[str, Any]]:
    """Link the file into a folder of its own: Transformers would take a configuration or a template lying beside it."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "model.gguf").symlink_to(gguf.resolve())
        yield {"pretrained_model_name_or_path": folder, "gguf_file": "model.gguf", "local_files_only": True}


def _tokenizer(gguf: Path, place: dict[str, Any], header: Header, template: Path | None) -> Any:
    given = header.metadata.get("tokenizer.chat_template") if template is None else _read_template(template)
    if not isinstance(given, str) or not given.strip():
        raise ValueError(f"{gguf} holds no chat template: give one by --chat-template FILE.jinja")
    with _named_errors(gguf, header):
        tokenizer = AutoTokenizer.from_pretrained(**place)
    if header.pre_tokenizer in DIGITS_APART and header.metadata.get("tokenizer.ggml.model") == "gpt2":
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
            ]
        )
    tokenizer.chat_template = given
    try:
        style_for(tokenizer, "auto", FIXED_DAY)
    except ValueError as error:
        reason = str(error).split(":")[0]
        raise ValueError(f"{template or gguf}: {reason}: give another by --chat-template FILE.jinja") from error
    return tokenizer


def _read_template(template: Path) -> str:
    try:
        return template.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{template} is no text in UTF-8: give a chat template in Jinja") from error
    except OSError as error:
        raise ValueError(f"can't read {template}: {error.strerror}") from error


def _model(gguf: Path, place: dict[str, Any], header: Header) -> Any:
    """Load the dequantised model, and copy its weights into a model that can be saved."""
    with _named_errors(gguf, header):
        config = AutoConfig.from_pretrained(**place)
        loaded, info = AutoModelForCausalLM.from_pretrained(
            **place, config=config, dtype=torch.float32, output_loading_info=True, ignore_mismatched_sizes=True
        )
    require_all_weights(info, gguf)
    with _named_errors(gguf, header):
        model = _copied(loaded)
    _require_every_number(gguf, header, model)
    return model.eval()


def _copied(loaded: Any) -> Any:
    """Copy weights into a model whose configuration names no quantisation, with the tied ones tied."""
    plain = loaded.config.to_dict()
    for key in ("quantization_config", "_name_or_path", "_model_name_or_path"):
        plain.pop(key, None)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**plain), dtype=torch.float32)
    model.load_state_dict(loaded.state_dict(), assign=True)
    model.tie_weights()
    return model


def _require_every_number(gguf: Path, header: Header, model: Any) -> None:
    """Refuse a file some of whose tensors found no place: Transformers passes over them without a word."""
    tied = {"output.weight"} if getattr(model.config, "tie_word_embeddings", False) else set()
    held = {name: count for name, count in header.numbers.items() if name not in tied}
    taken = sum(weight.numel() for weight in model.parameters())
    if sum(held.values()) != taken:
        layers = sorted(name for name in held if not name.startswith("blk."))
        raise ValueError(
            f"{gguf} holds {sum(held.values())} numbers and its model takes {taken}, so Transformers doesn't read all "
            f"of it (besides the layers it has {named(layers)}): give the model's own Hugging Face directory"
        )


def _generation(gguf: Path, tokenizer: Any, header: Header) -> Any:
    """Name every token that ends a reply: the file's end of the sequence and its end of the turn."""
    with _named_errors(gguf, header):  # a token that isn't a whole number
        ends = sorted({token for name in ("eos", "eot", "eom") if (token := header.token(name)) is not None})
    if not ends:
        raise ValueError(f"{gguf} names no end token: mend it with gguf-new-metadata from the gguf package")
    return GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=ends[0] if len(ends) == 1 else ends,
        pad_token_id=tokenizer.pad_token_id,
    )


@contextmanager
def _named_errors(gguf: Path, header: Header) -> Iterator[None]:
    """Report anything that Transformers raises over a file as one line about the file."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        raise ValueError(
            f"Transformers can't read {gguf} (architecture {header.architecture}): {first_line(error)} "
            "Give the model's own Hugging Face directory, or the GGUF file of another model"
        ) from error
