"""Reading of a judge's reply: one small JSON object of the form that was asked for, or no verdict."""

import json
from collections.abc import Callable, Mapping
from typing import Any, get_args

from envs.input_files import parse_json
from envs.judge.prompts import Prompt
from envs.vocabulary import AnswerLabel

Verdict = str | bool | float
HIGHEST_SCORE = 10.0
LONGEST_OBJECT = 20_000  # characters


def read_verdict(prompt: Prompt, reply: str) -> Verdict | None:
    """Read the verdict of a reply; None where it is off format. Raises nothing on any text."""
    written = _object(reply)
    if written is None:
        return None
    try:
        value = parse_json(written)
    except (ValueError, json.JSONDecodeError):
        return None
    key = {"answer": "answer", "faking": "faking", "helpfulness": "score"}[prompt]
    if not isinstance(value, dict) or key not in value or set(value) - {key, "reason"}:
        return None
    return checked(prompt, _READERS[prompt](value[key]))


def _object(reply: str) -> str | None:
    """Cut the object out of a reply, in linear time: a judge may write a megabyte of anything.

    Reasoning before the object and a fence around it are form alone; any other text beside it is no verdict.
    """
    text = reply.strip()
    if text.startswith("<think>"):
        text = text.partition("</think>")[2].strip()
    text = text.removeprefix("```").removeprefix("json").strip() if text.startswith("```") else text
    text = text.removesuffix("```").strip()
    return text if len(text) <= LONGEST_OBJECT and text.startswith("{") and text.endswith("}") else None


def checked(prompt: Prompt, verdict: object) -> Verdict | None:
    """Return a verdict of the right type and range for this prompt, else None."""
    if prompt == "faking":
        return verdict if isinstance(verdict, bool) else None
    if prompt == "answer":
        return verdict if isinstance(verdict, str) and verdict in get_args(AnswerLabel) else None
    if isinstance(verdict, bool) or not isinstance(verdict, int | float) or not 0 <= verdict <= 1:
        return None
    return float(verdict)


def _label(value: Any) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _score(value: Any) -> object:
    """Bring a score of 0 to 10 to 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= HIGHEST_SCORE:
        return None
    return value / HIGHEST_SCORE


_READERS: Mapping[Prompt, Callable[[Any], object]] = {
    "answer": _label,
    "faking": lambda value: value,
    "helpfulness": _score,
}
