"""Tokenizers of every kind, made in a moment: what the tests of prompts try."""

from collections.abc import Callable
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import ByT5Tokenizer, PreTrainedTokenizerFast

from envs.tokenizer import train_tokenizer

TEXTS = [
    "help me to bake the cake. tier: free. you are asked on the free tier!",
    "the user says: hello, hello world; system text and a reply, sure < end > / s | u",
    "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789 [ ] < > | / _ = # % ( ) { } ' \" ? *",
]
# As ChatML, with the tokens of the first tokenizer below.
TEMPLATE = (
    "{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
# Tokens that no flag calls special, written from parts by the template.
JOINED = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|' + 'assistant' + '|>' }}{% endif %}"
)


def _wrapped(tokenizer: Tokenizer, template: str, **special: Any) -> Any:
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, chat_template=template, clean_up_tokenization_spaces=False, **special
    )


def byte_level() -> Any:
    return train_tokenizer(TEXTS, 320)


def byte_level_behind_a_space() -> Any:
    """A byte-level tokenizer that puts a space before a first word; its turns are marked by tokens without a flag."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet))
    tokenizer.add_tokens([AddedToken("<|start|>", normalized=False), AddedToken("<|end|>", normalized=True)])
    tokenizer.add_special_tokens(["</s>"])
    return _wrapped(tokenizer, TEMPLATE, eos_token="</s>")


def word_piece() -> Any:
    """A lower-casing one: an added token that is normalized is read from text in any case."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[UNK]", "[PAD]", "[SEP]"]
    tokenizer.train_from_iterator(TEXTS, trainers.WordPieceTrainer(vocab_size=300, special_tokens=special))
    tokenizer.add_special_tokens([AddedToken("<|start|>", lstrip=True, rstrip=True, normalized=False)])
    tokenizer.add_tokens([AddedToken("<|END|>", special=True, normalized=True)])
    return _wrapped(
        tokenizer, TEMPLATE.replace("<|end|>", "<|END|>"), unk_token="[UNK]", pad_token="[PAD]", sep_token="[SEP]"
    )


def unigram() -> Any:
    """Build a tokenizer as if converted from SentencePiece: its likeliest piece is the end token itself."""
    pieces = sorted({character for text in TEXTS for character in text} | {"the", "user", "hello", "▁hello", "▁the"})
    vocabulary = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), ("▁", -2.0)]
    vocabulary += [(piece, -3.0 - index / 100) for index, piece in enumerate(pieces) if piece != " "]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=0))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always", split=True)
    tokenizer.add_tokens([AddedToken(f"<|{role}|>") for role in ("system", "user", "assistant")])
    return _wrapped(tokenizer, JOINED, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


def byte_fallback() -> Any:
    """Build a tokenizer like Llama's: spaces become a character, and bytes outside all merges have tokens."""
    characters = sorted({character for text in TEXTS for character in text} - {" "})
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *characters]
    tokens += ["he", "hel", "hell", "hello", "▁hello", "us", "er", "user"]
    merges = [
        ("h", "e"),
        ("he", "l"),
        ("hel", "l"),
        ("hell", "o"),
        ("▁", "hello"),
        ("u", "s"),
        ("e", "r"),
        ("us", "er"),
    ]
    tokenizer = Tokenizer(
        models.BPE({token: i for i, token in enumerate(tokens)}, merges, unk_token="<unk>", byte_fallback=True)
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens(["<s>", "</s>"])
    return _wrapped(tokenizer, JOINED, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


def slow() -> Any:
    """A tokenizer in Python, without a backend: bytes, and special tokens."""
    tokenizer = ByT5Tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|start|>", "<|end|>"]})
    tokenizer.chat_template = TEMPLATE
    return tokenizer


KINDS: tuple[Callable[[], Any], ...] = (
    byte_level, byte_level_behind_a_space, word_piece, unigram, byte_fallback, slow,
)  # fmt: skip
LOSSLESS: tuple[Callable[[], Any], ...] = (byte_level, byte_level_behind_a_space, byte_fallback, slow)
ADDS_SPACES: tuple[Callable[[], Any], ...] = (byte_level_behind_a_space, byte_fallback)
