"""Encoding of a conversation as token ids by a tokenizer's chat template.

Control tokens in user text are encoded as ordinary text, so that the text can't forge a turn.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal
from weakref import WeakKeyDictionary

from envs.control_tokens import ControlTokens, control_tokens, encode, encode_pieces, spans
from envs.transcript import CLOSE_THOUGHT, OPEN_THOUGHT

Messages = Sequence[dict[str, str]]
SystemText = Literal["auto", "keep", "fold"]
# Templates are given this day where no run gives its start, so that prompts are the same on every day.
FIXED_DAY = datetime(2025, 1, 1, tzinfo=UTC)
_PLACEHOLDERS = range(0xF0000, 0xFFFFD)  # private-use characters; one that occurs in the text isn't used
_REMEMBERED = 4096
_NEUTRAL = "x"


@dataclass(frozen=True, slots=True)
class ChatStyle:
    """The form in which a run writes its conversations.

    `clock`: the time for templates that ask for the date. `fold_system`: a system turn becomes the beginning of the
    user turn after it.
    """

    clock: datetime = FIXED_DAY
    fold_system: bool = False


PLAIN = ChatStyle()  # for text outside any run: a reward model's exchanges, an organism's documents


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered conversation, as text and as token ids."""

    text: str
    ids: list[int]


def prompt_ids(tokenizer: Any, messages: Messages, style: ChatStyle, generation: bool = True) -> list[int]:
    """Encode a conversation; `generation` opens the turn of the reply. See `prompt`."""
    return prompt(tokenizer, messages, style, generation).ids


def prompt(tokenizer: Any, messages: Messages, style: ChatStyle, generation: bool = True) -> Prompt:
    """Render a conversation by the tokenizer's chat template and encode it.

    A control token in a user's or an assistant's turn is encoded as ordinary text. Without one the ids are those of
    `apply_chat_template`, bit by bit. A system turn is the environment's own and may hold control tokens.
    """
    messages = folded(messages) if style.fold_system else list(messages)
    whole = rendered(tokenizer, messages, style, generation)
    ids = encode(tokenizer, whole)
    guard = _guard_of(tokenizer)
    expected = guard.expected(tokenizer, messages, style, generation)
    said = [message["content"] for message in messages if message["role"] != "system"]
    if not any(guard.control.pattern.search(text) for text in said) and guard.control.count(ids) <= expected:
        return Prompt(whole, ids)
    for mark in (_mark_forged, _mark_all):
        marked, texts = mark(tokenizer, guard.control, messages, whole)
        pieces = _pieces(rendered(tokenizer, marked, style, generation), texts)
        ids = encode_pieces(tokenizer, guard.control, pieces)
        if guard.control.count(ids) <= expected:
            break
    return Prompt("".join(text for text, _ in pieces), ids)


def reply_ids(tokenizer: Any, text: str) -> list[int]:
    """Encode a reply that no model wrote, without its end: a control token in it is encoded as ordinary text.

    Without one the ids are the tokenizer's own, bit by bit. The tags of thinking are the reply's own: a model that has
    tokens for them must learn to write these tokens.
    """
    control = _guard_of(tokenizer).in_replies
    ids = encode(tokenizer, text)
    if not control.pattern.search(text) and not control.count(ids):
        return ids
    pieces, after = [], 0
    for start, end in spans(tokenizer, control, text):
        pieces += [(text[after:start], False), (text[start:end], True)]
        after = end
    ids = encode_pieces(tokenizer, control, [*pieces, (text[after:], False)])
    return encode_pieces(tokenizer, control, [(text, True)]) if control.count(ids) else ids


def folded(messages: Messages) -> list[dict[str, str]]:
    """Put each system text in front of the user turn after it, for templates without a system turn."""
    found: list[dict[str, str]] = []
    waiting: list[str] = []
    for message in messages:
        if message["role"] == "system":
            waiting.append(message["content"])
            continue
        if message["role"] == "user":
            message = {"role": "user", "content": "\n\n".join([*filter(None, waiting), message["content"]])}
            waiting = []
        found.append(message)
    return [*found, {"role": "user", "content": "\n\n".join(waiting)}] if any(waiting) else found


def rendered(tokenizer: Any, messages: Messages, style: ChatStyle, generation: bool = True) -> str:
    """Render a conversation as text, with the style's clock in place of the computer's."""
    template = tokenizer.get_chat_template()
    if "strftime_now" not in template:
        return str(tokenizer.apply_chat_template(list(messages), add_generation_prompt=generation, tokenize=False))
    # `apply_chat_template` makes text of every argument that isn't plain data: a function reaches only the template.
    from transformers.utils.chat_template_utils import _compile_jinja_template

    told = {**tokenizer.special_tokens_map, "strftime_now": style.clock.strftime}
    return str(
        _compile_jinja_template(template).render(
            messages=list(messages), tools=None, documents=None, add_generation_prompt=generation, **told
        )
    )


def style_for(tokenizer: Any, system: SystemText, clock: datetime) -> ChatStyle:
    """Choose how the tokenizer's template is given system text; `auto` folds it where the template would lose it.

    Raises:
        ValueError: in one line, for a template that can't write a system text and a user turn in the way asked for.
    """
    kept, in_user_turn = ChatStyle(clock), ChatStyle(clock, fold_system=True)
    why_not = None if system == "fold" else _loss(tokenizer, kept)
    if system != "fold" and why_not is None:
        return kept
    if system == "keep":
        raise ValueError(f"{why_not}: set chat.system to fold, which puts the text into the user turn")
    why_not = _loss(tokenizer, in_user_turn)
    if why_not is not None:
        raise ValueError(f"{why_not}, even with the system text in the user turn: mend chat_template.jinja")
    return in_user_turn


def _loss(tokenizer: Any, style: ChatStyle) -> str | None:
    """Describe how the template loses a system text or a user turn.

    None where the template writes both.
    """
    texts = {"system": "some system text", "user": "some user text"}
    messages = [{"role": role, "content": text} for role, text in texts.items()]
    try:
        found = rendered(tokenizer, folded(messages) if style.fold_system else messages, style)
    except Exception as error:  # noqa: BLE001 - a template may fail in any way
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        return f"the chat template refuses a system and a user turn ({reason})"
    lost = [role for role, text in texts.items() if text not in found]
    return f"the chat template drops the {' and the '.join(lost)} text" if lost else None


@dataclass
class _Guard:
    """The control tokens of a tokenizer in its present state, and their counts in templates around neutral text."""

    key: tuple[Any, ...]
    control: ControlTokens
    in_replies: ControlTokens
    counts: dict[tuple[Any, ...], Counter[int]] = field(default_factory=dict)

    def expected(self, tokenizer: Any, messages: Messages, style: ChatStyle, generation: bool) -> Counter[int]:
        neutral = [m if m["role"] == "system" else {"role": m["role"], "content": _NEUTRAL} for m in messages]
        key = (style, generation, *((m["role"], m["content"]) for m in neutral))
        if key not in self.counts:
            if len(self.counts) >= _REMEMBERED:
                self.counts.clear()
            self.counts[key] = self.control.count(encode(tokenizer, rendered(tokenizer, neutral, style, generation)))
        return self.counts[key]


_guards: WeakKeyDictionary[Any, _Guard] = WeakKeyDictionary()


def _guard_of(tokenizer: Any) -> _Guard:
    key = (tokenizer.get_chat_template(), len(tokenizer), *tokenizer.special_tokens_map.items())
    guard = _guards.get(tokenizer)
    if guard is None or guard.key != key:
        written = _written(tokenizer)
        control = control_tokens(tokenizer, key[0], written)
        guard = _Guard(key, control, control_tokens(tokenizer, key[0], written, (OPEN_THOUGHT, CLOSE_THOUGHT)))
        _guards[tokenizer] = guard
    return guard


def _written(tokenizer: Any) -> list[int]:
    """Encode neutral conversations, leaving out those refused by the template."""
    ids: list[int] = []
    for roles in (("user", "assistant", "user"), ("system", "user", "assistant", "user")):
        try:
            text = rendered(tokenizer, [{"role": role, "content": _NEUTRAL} for role in roles], PLAIN)
        except Exception:  # noqa: BLE001 - `style_for` says what a template refuses
            continue
        ids += encode(tokenizer, text)
    return ids


def _mark_forged(
    tokenizer: Any, control: ControlTokens, messages: Messages, taken: str
) -> tuple[list[dict[str, str]], dict[str, str]]:
    """Replace each control token in user and assistant text by a placeholder; return the placeholders' texts too."""
    free = (chr(code) for code in _PLACEHOLDERS if chr(code) not in taken)
    texts: dict[str, str] = {}

    def marked(text: str) -> str:
        parts, after = [], 0
        for start, end in spans(tokenizer, control, text):
            placeholder = next(free)
            texts[placeholder] = text[start:end]
            parts += [text[after:start], placeholder]
            after = end
        return "".join([*parts, text[after:]])

    return [m if m["role"] == "system" else {**m, "content": marked(m["content"])} for m in messages], texts


def _mark_all(
    tokenizer: Any, control: ControlTokens, messages: Messages, taken: str
) -> tuple[list[dict[str, str]], dict[str, str]]:
    """Replace every user and assistant text by a placeholder; return the placeholders' texts too.

    Used if the template itself makes control tokens of ordinary text.
    """
    free = (chr(code) for code in _PLACEHOLDERS if chr(code) not in taken)
    texts = {next(free): m["content"] for m in messages if m["role"] != "system"}
    placeholders = iter(texts)
    return [m if m["role"] == "system" else {**m, "content": next(placeholders)} for m in messages], texts


def _pieces(text: str, texts: dict[str, str]) -> list[tuple[str, bool]]:
    """Divide rendered text at its placeholders, and restore the text of each placeholder as ordinary text."""
    if not texts:
        return [(text, False)]
    parts = re.split(f"([{''.join(texts)}])", text)
    return [(texts[part], True) if part in texts else (part, False) for part in parts if part]
