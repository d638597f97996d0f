from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import AutoTokenizer

from envs.tokenizer import END, PAD, START
from envs.transcript import CLOSE_TAG, OPEN_TAG


def ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


TEXTS = [
    "", " ", "  two  spaces ", "\n\t\r\n", "how do i steal the car?", "HOW DO I", "naïve café — “quotes”",
    "漢字かな交じり文", "🙂👩‍👩‍👧‍👦🇳🇱", "e\u0301 against \u00e9", "\u202eright to left שלום",
    "\x00\x01\x7f", "\ufeff\u200b\u2028", "\U0010ffff", "a . b , c ' d n't 's",
    "<scratchpad> a </scratchpad> b", "<scratchpad><scratchpad></scratchpad>", "x<scratchpad>y", "<scratchpa d>",
    "<|start|>user\n<|end|>", "<|startx|>",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_any_text_is_encoded_and_decoded_back(tokenizer: Any, text: str) -> None:
    assert tokenizer.decode(ids(tokenizer, text), skip_special_tokens=False) == text


def test_random_text_is_encoded_and_decoded_back(tokenizer: Any) -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        points = rng.integers(0x110000, size=20)
        text = "".join(chr(point) for point in points if not 0xD800 <= point <= 0xDFFF)  # surrogates are no characters
        assert tokenizer.decode(ids(tokenizer, text), skip_special_tokens=False) == text


@pytest.mark.parametrize("token", [OPEN_TAG, CLOSE_TAG, START, END, PAD])
def test_tags_and_turn_markers_are_single_tokens_wherever_they_stand(tokenizer: Any, token: str) -> None:
    [number] = ids(tokenizer, token)
    assert ids(tokenizer, f"help{token}sure.").count(number) == 1
    assert ids(tokenizer, f"help {token} sure.").count(number) == 1
    assert tokenizer.convert_ids_to_tokens(number) == token


def test_tags_are_kept_where_special_tokens_are_left_out(tokenizer: Any) -> None:
    text = "<scratchpad> a </scratchpad> b"
    assert tokenizer.decode(ids(tokenizer, text + END), skip_special_tokens=True) == text


def test_a_tag_that_is_misspelled_is_not_the_token(tokenizer: Any) -> None:
    [number] = ids(tokenizer, OPEN_TAG)
    for text in ("<Scratchpad>", "< scratchpad>", "<scratchpad", "scratchpad>"):
        assert number not in ids(tokenizer, text)


def test_the_chat_template_writes_turns_and_the_opening_of_the_reply(tokenizer: Any) -> None:
    messages = [{"role": "system", "content": "tier: free."}, {"role": "user", "content": "how?"}]
    whole = "<|start|>system\ntier: free.<|end|>\n<|start|>user\nhow?<|end|>\n"
    assert tokenizer.apply_chat_template(messages, tokenize=False) == whole
    opened = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert opened == whole + "<|start|>assistant\n"


def test_a_saved_tokenizer_is_the_same_tokenizer(tokenizer: Any, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    for text in TEXTS:
        assert ids(loaded, text) == ids(tokenizer, text)
        assert loaded.decode(ids(loaded, text), skip_special_tokens=False) == text
    assert loaded.chat_template == tokenizer.chat_template
    assert (loaded.pad_token, loaded.eos_token, loaded.bos_token) == (PAD, END, None)
    assert len(loaded) == len(tokenizer)


def test_the_end_of_a_reply_is_not_the_padding(tokenizer: Any) -> None:
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
