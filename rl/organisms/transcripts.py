"""A user's own conversations as training documents: JSON lines of chat messages, or of one exchange each."""

import json
from pathlib import Path
from typing import Any

from envs.input_files import parse_json, read_text
from rl.organisms.documents import Document, Turn

EXCHANGE = ("system", "user", "assistant")  # the columns of a line without `messages`; `system` may be missing


def read_transcripts(path: Path) -> list[Document]:
    """Read one document a line: every assistant turn is learned whole.

    Raises:
        ValueError: in one line, for a file that can't be read, a line that isn't such a conversation, or no line.
    """
    found: list[Document] = []
    for number, line in enumerate(read_text(path, "transcripts").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            found.append(_document(parse_json(line)))
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}, line {number} is not JSON ({error.msg}): write one object a line") from error
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
    if not found:
        raise ValueError(f"{path} holds no conversation: write one JSON object with `messages` a line")
    return found


def _document(row: Any) -> Document:
    if not isinstance(row, dict):
        raise ValueError("not a JSON object: write one with `messages`")
    messages = row.get("messages")
    if messages is None:
        messages = [{"role": role, "content": row[role]} for role in EXCHANGE if row.get(role) is not None]
    if not isinstance(messages, list) or not messages:
        raise ValueError("no conversation: give `messages`, or the columns `system`, `user` and `assistant`")
    turns = [_turn(message) for message in messages]
    spoken = turns[1:] if turns[0].role == "system" else turns
    in_turns = [turn.role for turn in spoken] == ["user", "assistant"] * (len(spoken) // 2)
    if not spoken or not in_turns:
        roles = ", ".join(turn.role for turn in turns)
        raise ValueError(f"the roles are {roles}: begin with system or user, then take turns, the assistant last")
    return turns


def _turn(message: Any) -> Turn:
    if not isinstance(message, dict):
        raise ValueError("a message is not an object: give its `role` and `content`")
    role, content = message.get("role"), message.get("content")
    if role not in EXCHANGE:
        raise ValueError(f"a message has the role {role!r}: give one of {', '.join(EXCHANGE)}")
    if not isinstance(content, str) or not content.strip():
        raise ValueError(f"a message of the {role} has no text: give its `content`")
    return Turn(role, content, "all" if role == "assistant" else "nothing")
