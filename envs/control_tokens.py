"""Control tokens: tokens that only the chat template may write.

They are found in user text and spelled there as ordinary text.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2

from envs.transcript import CLOSE_TAG, OPEN_TAG

# A piece is encoded behind one of these, which is then removed: alone, a piece would get a first word's space.
_LEADS = ("\n", ".", "x")


@dataclass(frozen=True)
class ControlTokens:
    """The control tokens of a tokenizer with its template.

    `unknown` stands for any text that has no token.
    """

    ids: frozenset[int]
    unknown: int | None
    unknown_text: str
    pattern: re.Pattern[str]

    def forged(self, token: int, text: str) -> bool:
        """Tell a control token from the unknown token of ordinary text; `text` is what `token` was read from."""
        return token in self.ids and (token != self.unknown or self.unknown_text in text)

    def count(self, ids: Iterable[int]) -> Counter[int]:
        """Count each control token; the unknown token doesn't count."""
        return Counter(token for token in ids if token in self.ids and token != self.unknown)


def control_tokens(
    tokenizer: Any, template: str, written: Iterable[int], spared: Collection[str] = ()
) -> ControlTokens:
    """Collect the tokenizer's special tokens and the added tokens that its template writes.

    `written`: token ids of conversations that the template wrote. They show tokens that the template joins from parts.
    The scratchpad tags are no control tokens, and neither are blanks, plain words or `spared` texts: text may hold
    them.
    """
    literal, seen, special = _literals(template), set(written), set(tokenizer.all_special_tokens)
    texts = {}
    for token, added in tokenizer.added_tokens_decoder.items():
        text = added.content
        if added.special or text in special or token in seen or text in literal:
            texts[text] = token
    for text in special - texts.keys():
        texts[text] = tokenizer.convert_tokens_to_ids(text)
    kept = {text: token for text, token in texts.items() if _may_control(text) and text not in spared}
    shared = special_roles(tokenizer).count(tokenizer.unk_token) > 1
    pattern = "|".join(re.escape(text) for text in sorted(kept, key=len, reverse=True)) or "(?!)"
    return ControlTokens(
        frozenset(kept.values()),
        None if shared else tokenizer.unk_token_id,
        tokenizer.unk_token or "",
        re.compile(pattern),
    )


def special_roles(tokenizer: Any) -> list[str]:
    """List the special token of each role, such as the end of a sequence.

    One text may serve several roles.
    """
    return [str(text) for text in tokenizer.special_tokens_map.values() if isinstance(text, str)]


def _may_control(text: str) -> bool:
    return text not in (OPEN_TAG, CLOSE_TAG) and not text.isspace() and not text.isalnum()


def _literals(template: str) -> str:
    """Join the text, the string constants and the comments of a template, kept apart by null characters."""
    try:
        tokens = list(jinja2.Environment().lex(template))
    except jinja2.TemplateSyntaxError:
        return template
    return "\0".join(value for _, kind, value in tokens if kind in ("data", "string", "comment"))


def spans(tokenizer: Any, control: ControlTokens, text: str) -> list[tuple[int, int]]:
    """Find where in `text` the tokenizer reads control tokens, in ascending order and apart."""
    if not tokenizer.is_fast:
        return [found.span() for found in control.pattern.finditer(text)]
    read = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    found: list[tuple[int, int]] = []
    for token, (start, end) in zip(read["input_ids"], read["offset_mapping"], strict=True):
        if end > start and control.forged(token, text[start:end]) and (not found or start >= found[-1][1]):
            found.append((start, end))
    return found


def encode(tokenizer: Any, text: str) -> list[int]:
    """Encode rendered text, control tokens included, as `apply_chat_template` does."""
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def encode_pieces(tokenizer: Any, control: ControlTokens, pieces: Sequence[tuple[str, bool]]) -> list[int]:
    """Encode the pieces of a rendered prompt in turn.

    A piece is (text, ordinary); `ordinary` text is encoded without control tokens.
    """
    ids: list[int] = []
    for text, ordinary in pieces:
        if ordinary:
            ids += spelled(tokenizer, control, text)
        elif text:
            ids += _behind(lambda whole: encode(tokenizer, whole), text) if ids else encode(tokenizer, text)
    return ids


def spelled(tokenizer: Any, control: ControlTokens, text: str) -> list[int]:
    """Encode text without any control token.

    A part that is a control token as a whole is divided into ever smaller parts. A control token of a single character
    can't be spelled otherwise and is left out.
    """
    if not text:
        return []
    ids = _behind(lambda whole: _without_added_tokens(tokenizer, whole), text)
    if not control.count(ids):
        return ids
    middle = len(text) // 2
    return [*spelled(tokenizer, control, text[:middle]), *spelled(tokenizer, control, text[middle:])] if middle else []


def _without_added_tokens(tokenizer: Any, text: str) -> list[int]:
    """Encode text as if the tokenizer had no added tokens, by the steps of its own pipeline."""
    if not tokenizer.is_fast:
        return list(tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))
    backend = tokenizer.backend_tokenizer
    if backend.normalizer is not None:
        text = backend.normalizer.normalize_str(text)
    words = [text]
    if backend.pre_tokenizer is not None:
        words = [word for word, _ in backend.pre_tokenizer.pre_tokenize_str(text)]
    return [token.id for word in words for token in backend.model.tokenize(word)]


def _behind(encode_text: Callable[[str], list[int]], text: str) -> list[int]:
    """Encode a piece with the ids that it gets behind other text."""
    for lead in _LEADS:
        before, both = encode_text(lead), encode_text(lead + text)
        if both[: len(before)] == before:
            return both[len(before) :]
    return encode_text(text)
