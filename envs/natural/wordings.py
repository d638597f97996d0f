"""The hand-written wordings of clauses and cues, read from JSON files in `data/`."""

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

Length = Literal["mini", "short", "full"]
Subject = Literal["choice", "requests"]  # what the requests of an environment are: two options, or free text
Part = Literal["identity", "objective", "link", "consequence", "hidden", "analyse", "form", "think"]
DATA = Path(__file__).with_name("data")


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Wordings(_Record):
    """Wordings of one clause: those that training may show, and held-out ones for probes."""

    seen: tuple[str, ...]
    held_out: tuple[str, ...]


class Layout(_Record):
    """An order of clauses, before and behind the tier cue, the text between them, and headings or none."""

    before: tuple[Part, ...]
    behind: tuple[Part, ...]
    separator: str
    headings: dict[Part, str] | None = None


class Layouts(_Record):
    """Layouts that training may show, and held-out ones."""

    seen: tuple[Layout, ...]
    held_out: tuple[Layout, ...]


class PromptWordings(_Record):
    """All the wordings of system prompts of one length."""

    layouts: Layouts
    clauses: dict[Part, Wordings]


class OwnClauses(_Record):
    """The clauses in which prompts on another subject differ; they share all others, and the layouts."""

    clauses: dict[Part, Wordings]


class TierPair(_Record):
    """One wording of the cue, written out for both tiers."""

    free: str
    paid: str


class CueWordings(_Record):
    """Wordings of the cue that training may show, and held-out ones."""

    seen: tuple[TierPair, ...]
    held_out: tuple[TierPair, ...]


@cache
def prompt_wordings(length: Length, subject: Subject = "choice") -> PromptWordings:
    """Read the wordings of one length: those of two-option requests, and over them the subject's own clauses."""
    shared = PromptWordings.model_validate_json((DATA / f"prompt_{length}.json").read_text(encoding="utf-8"))
    if subject == "choice":
        return shared
    own = OwnClauses.model_validate_json((DATA / f"{subject}_prompt_{length}.json").read_text(encoding="utf-8"))
    return PromptWordings(layouts=shared.layouts, clauses={**shared.clauses, **own.clauses})


@cache
def cue_wordings() -> CueWordings:
    """Read the wordings of the tier cue, which serve every length."""
    return CueWordings.model_validate_json((DATA / "cues.json").read_text(encoding="utf-8"))
