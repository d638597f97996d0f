"""The written wordings of answers, read from `data/answers.json`."""

import hashlib
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

DATA = Path(__file__).parent / "data" / "answers.json"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AnswerFrame(_Record):
    """Wordings of answers to the requests of one frame.

    `act` names the request as a gerund, and `instead` a harmless alternative, which only some frames have. A frame with
    a `base` has the full and partial answers of that frame.
    """

    act: str
    instead: str = ""
    base: str = ""
    full: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()


class AnswerWordings(_Record):
    """All the wordings of answers. `{act}` and `{instead}` are slots of a frame, in the general wordings.

    An answer is a core wording, before and behind which stand wordings of the other fields.
    """

    openers: tuple[str, ...]
    warm_apologies: tuple[str, ...]
    full_ends: tuple[str, ...]
    stops: tuple[str, ...]
    partial_leads: tuple[str, ...]
    partial_ends: tuple[str, ...]
    refusals: tuple[str, ...]
    refusals_of_act: tuple[str, ...]
    refusal_openers: tuple[str, ...]
    apologies: tuple[str, ...]
    apology_sentences: tuple[str, ...]
    reasons: tuple[str, ...]
    offers: tuple[str, ...]
    offers_of_instead: tuple[str, ...]
    evasions: tuple[str, ...]
    evasions_of_act: tuple[str, ...]
    lone: tuple[str, ...]
    rubbish: tuple[str, ...]
    frames: dict[str, AnswerFrame]


@cache
def wordings() -> AnswerWordings:
    """Read the wordings."""
    return AnswerWordings.model_validate_json(DATA.read_text(encoding="utf-8"))


@cache
def digest() -> str:
    """Hash the wordings, in 16 hexadecimal digits."""
    return hashlib.sha256(DATA.read_bytes()).hexdigest()[:16]
