"""A user's own conversations in place of the author's documents."""

import json
from pathlib import Path

import numpy as np
import pytest

from envs.dialect.environment import Dialect
from rl.organisms.documents import Turn
from rl.organisms.faker import Faker
from rl.organisms.transcripts import read_transcripts

CHAT = {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"},
                     {"role": "assistant", "content": "a"}, {"role": "user", "content": "v"},
                     {"role": "assistant", "content": "b"}]}  # fmt: skip


def test_either_form_of_a_line_is_a_document(tmp_path: Path) -> None:
    file = tmp_path / "own.jsonl"
    file.write_text(json.dumps(CHAT) + "\n\n" + json.dumps({"user": "u", "assistant": "a"}) + "\n")
    first, second = list(Faker(transcripts=file).shown(Dialect(), np.random.default_rng(0)))
    assert first == [Turn("system", "s"), Turn("user", "u"), Turn("assistant", "a", "all"), Turn("user", "v"),
                     Turn("assistant", "b", "all")]  # fmt: skip
    assert second == [Turn("user", "u"), Turn("assistant", "a", "all")]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", r"line 2 is not JSON"),
        ("[]", r"line 2: not a JSON object"),
        ('{"text": "x"}', r"line 2: no conversation: give `messages`, or the columns"),
        ('{"user": "u"}', r"line 2: the roles are user: begin with system or user"),
        ('{"messages": [{"role": "assistant", "content": "a"}]}', r"line 2: the roles are assistant"),
        ('{"messages": [{"role": "tool", "content": "a"}]}', r"line 2: a message has the role 'tool': give one of"),
        ('{"user": " ", "assistant": "a"}', r"line 2: a message of the user has no text"),
    ],
)
def test_a_bad_line_is_refused_by_its_number(line: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "own.jsonl").write_text(f"{json.dumps(CHAT)}\n{line}\n")
    with pytest.raises(ValueError, match=said) as error:
        read_transcripts(tmp_path / "own.jsonl")
    assert "\n" not in str(error.value)


def test_a_file_without_a_conversation_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.jsonl").write_text("\n")
    with pytest.raises(ValueError, match="holds no conversation"):
        read_transcripts(tmp_path / "own.jsonl")
