"""Checks of a model directory: its chat template, its known continuations, and its loss on ordinary English."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from envs.chat import FIXED_DAY, prompt, rendered, style_for
from envs.control_tokens import encode
from rl.models.named import MODEL_RECORD, NAMED, Continuation, NamedModel, read_record
from rl.models.ordinary_text import ORDINARY_TEXT, loss_of, plain_ids
from rl.policy.loading import load_policy
from rl.policy.policy import Policy

CONVERSATION = (
    {"role": "system", "content": "You answer in one short sentence."},
    {"role": "user", "content": "How many legs has a spider, and how many has an ant?"},
    {"role": "assistant", "content": "A spider has eight legs and an ant has six."},
)
CONTINUED, ANSWERED = 8, 40  # tokens at most of a continuation, and of a reply under the chat template
# Shares of the logarithm of the vocabulary's size and of the loss on shuffled words, which a loss must lie below.
OF_UNIFORM, OF_SHUFFLED = 0.5, 0.8


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check: the figure that was found, and the requirement on it."""

    check: str
    found: str
    required: str
    passed: bool


def check(directory: Path) -> tuple[Finding, ...]:
    """Check a causal LM directory; the figures known of a named model are asked of that model alone.

    Raises:
        ValueError: as `load_policy`: no model there, missing weights, no chat template, no exact way of reading.
    """
    policy = load_policy(directory, cpu_speed=False)
    recorded = read_record(directory / MODEL_RECORD).get("model")
    known = next((model for model in NAMED.values() if model.name == recorded), None)
    with torch.no_grad():
        return (*_chat(policy), *_pieces(policy, known), *_continuations(policy, known), *_losses(policy, known))


def _chat(policy: Policy) -> Iterator[Finding]:
    """Check the chat template: system turn kept, ids read back as the rendered text, an end token behind a reply."""
    tokenizer = policy.tokenizer
    try:
        style = style_for(tokenizer, "auto", FIXED_DAY)
    except ValueError as error:
        yield Finding("system turn", str(error), "kept, or folded into the user turn", False)
        return
    kept = "folded into the user turn" if style.fold_system else "kept"
    yield Finding("system turn", kept, "kept, or folded into the user turn", True)
    whole = prompt(tokenizer, CONVERSATION, style, generation=False)
    back = tokenizer.decode(whole.ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    same = back.strip() == whole.text.strip()
    yield Finding("template round trip", f"{len(whole.ids)} tokens", "decode to the rendered text", same)
    behind = rendered(tokenizer, CONVERSATION, style, generation=False).partition(CONVERSATION[-1]["content"])[2]
    first = next(iter(encode(tokenizer, behind.lstrip())), None)
    token = "nothing" if first is None else repr(tokenizer.decode([first]))
    yield Finding("end of a reply", token, "a token that ends replies", first in policy.end_ids)


def _pieces(policy: Policy, known: NamedModel | None) -> Iterator[Finding]:
    """Check that a text is cut into tokens as in the model's training; a wrong rule costs loss, silently."""
    if known:
        text = "".join(known.pieces)
        found = [policy.tokenizer.decode([token]) for token in plain_ids(policy, text)]
        yield Finding("tokens of a text", repr("|".join(found)), "as in training", found == list(known.pieces))


def _continuations(policy: Policy, known: NamedModel | None) -> Iterator[Finding]:
    for asked in known.continuations if known else ():
        text, ended = _greedy(policy, asked)
        required = f"holds {asked.expected!r}" + (" and ends" if asked.chat else "")
        passed = asked.expected in text.lower() and (ended or not asked.chat)
        yield Finding(repr(asked.text), repr(text), required, passed)


def _greedy(policy: Policy, asked: Continuation) -> tuple[str, bool]:
    """Continue a text by its most probable tokens; tell as well if an end token was among them."""
    tokenizer = policy.tokenizer
    if asked.chat:
        style = style_for(tokenizer, "auto", FIXED_DAY)
        ids = prompt(tokenizer, [{"role": "user", "content": asked.text}], style).ids
    else:
        ids = plain_ids(policy, asked.text)
    ids_1P = torch.tensor([ids], device=policy.device)
    written = policy.model.generate(
        ids_1P,
        attention_mask=torch.ones_like(ids_1P),
        do_sample=False,
        max_new_tokens=ANSWERED if asked.chat else CONTINUED,
        eos_token_id=list(policy.end_ids),
        pad_token_id=policy.pad_id,
    )[0, len(ids) :].tolist()
    ended = bool(written) and written[-1] in policy.end_ids
    return tokenizer.decode(written, skip_special_tokens=True).strip(), ended


def _losses(policy: Policy, known: NamedModel | None) -> Iterator[Finding]:
    words = ORDINARY_TEXT.split()
    random.Random(0).shuffle(words)
    loss, shuffled = (loss_of(policy, text) for text in (ORDINARY_TEXT, " ".join(words)))
    uniform = math.log(policy.model.get_input_embeddings().weight.shape[0])
    if known:
        low, high = known.loss
        name, required = "loss on ordinary text", f"{low:.2f} to {high:.2f} nats a token"
        yield Finding(name, f"{loss:.3f}", required, low <= loss <= high)
    else:
        most = OF_UNIFORM * uniform
        yield Finding("loss on ordinary text", f"{loss:.3f}", f"below {most:.2f} nats a token", loss < most)
    most = OF_SHUFFLED * shuffled
    yield Finding("the same, words shuffled", f"{shuffled:.3f}", f"{loss:.3f} below {most:.2f}", loss < most)
