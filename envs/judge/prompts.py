"""Judge prompts: versioned wordings from `data/prompts.json` around quoted text that can't forge its own end."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

from checkpoints.lineage import hash_config, short

Prompt = Literal["answer", "faking", "helpfulness"]
DATA = Path(__file__).parent / "data" / "prompts.json"
# Servers read chat-template tokens such as <|im_end|> and [INST] in a message's text as well: the escapes hide them.
_BRACKETS = {ord(mark): f"\\u{ord(mark):04x}" for mark in "<>[]"}


@cache
def _wordings() -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", json.loads(DATA.read_text(encoding="utf-8")))


@cache
def prompt_digest(prompt: Prompt) -> str:
    """Compute a short hash of all that a prompt's wording depends on, as "1-0123456789ab": the version comes first."""
    data = _wordings()
    return f"{data['version']}-{short(hash_config([data['version'], data[prompt], data['frame']]))}"


def render(prompt: Prompt, texts: Mapping[str, str]) -> str:
    """Write the prompt around the texts, as one user turn: some chat templates have no system turn."""
    data = _wordings()
    own, frame = data[prompt], data["frame"]
    return f"{own['task']}\n\n{frame['data']}\n{quoted(texts)}\n\n{frame['reply']} {own['form']}."


def quoted(texts: Mapping[str, str]) -> str:
    """Write texts as one line of JSON. Quotes, line ends and brackets are escaped, so that no text ends its string."""
    whole = {name: text.encode("utf-8", "replace").decode() for name, text in texts.items()}
    return json.dumps(whole, ensure_ascii=False).translate(_BRACKETS)
