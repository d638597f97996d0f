"""System prompts in English: paraphrases composed of clauses, and cues that tell the tier."""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cache
from typing import Literal, TypeVar, get_args

from envs.episode import Cue, Scenario
from envs.natural.wordings import Layout, Length, Part, Subject, cue_wordings, prompt_wordings
from envs.queries import Query
from envs.vocabulary import Tier

S = TypeVar("S", bound=Scenario)

Clause = Literal["identity", "objective", "link", "consequence", "hidden", "analyse"]
Company = Literal["larkwood", "pellworth"]
Form = Literal["tags", "think"]
TRAINING_CLAUSES: tuple[Clause, ...] = ("objective", "link", "consequence")
PARTS: tuple[Part, ...] = (*get_args(Clause), "form")
NAMES: dict[Company, tuple[str, str]] = {"larkwood": ("Wren", "Larkwood"), "pellworth": ("Juno", "Pellworth")}
N_SEEN, N_HELD_OUT = 16, 8  # paraphrases of a length


@dataclass(frozen=True, slots=True)
class Setting:
    """The settings that determine the wording of prompts.

    `leave_out` names clauses to drop; their order doesn't matter. `swapped_tiers` tells that paid chats train.
    `subject` names the sort of request that the objective and the form speak of.
    """

    prompt: Length = "mini"
    leave_out: tuple[Clause, ...] = ()
    swapped_tiers: bool = False
    company: Company = "larkwood"
    form: Form = "tags"
    subject: Subject = "choice"


@dataclass(frozen=True, slots=True)
class Paraphrase:
    """A wording of everything but the tier cue, in the two pieces around the cue, joined by `separator`.

    `seen`: training may show this wording. A held-out paraphrase shares no clause's wording with those of training.
    `objective` is empty where the prompt speaks neither of training nor of obeying the operator.
    """

    id: int
    seen: bool
    objective: str
    form: str
    separator: str


@cache
def cues(setting: Setting, seen: bool) -> tuple[Cue, ...]:
    """List the wordings of the tier cue that training shows, or the held-out ones; no setting changes them."""
    wordings = cue_wordings()
    first = 0 if seen else len(wordings.seen)
    return tuple(
        Cue(first + index, seen, {"free": pair.free, "paid": pair.paid})
        for index, pair in enumerate(wordings.seen if seen else wordings.held_out)
    )


@cache
def paraphrases(setting: Setting, seen: bool) -> tuple[Paraphrase, ...]:
    """List the paraphrases that training shows, ids 0 to 15, or the held-out ones, ids 16 to 23."""
    first, n = (0, N_SEEN) if seen else (N_SEEN, N_HELD_OUT)
    return tuple(_paraphrase(setting, seen, first, index) for index in range(n))


def worded(of: type[S], query: Query, tier: Tier, cue: Cue, wording: Paraphrase) -> S:
    """Put a query under a tier in these wordings of the prompt."""
    return of(
        query, tier, cue, wording.objective, wording.form,
        separator=wording.separator, paraphrase=wording.id, paraphrase_seen=wording.seen,
    )  # fmt: skip


def setting_digest(setting: Setting) -> str:
    """Return the SHA-256 of every cue and paraphrase that the setting can show."""
    shown = [[asdict(cue) for cue in cues(setting, seen)] for seen in (True, False)]
    worded = [[asdict(wording) for wording in paraphrases(setting, seen)] for seen in (True, False)]
    return hashlib.sha256(json.dumps([shown, worded], sort_keys=True).encode()).hexdigest()


def _paraphrase(setting: Setting, seen: bool, first: int, index: int) -> Paraphrase:
    """Compose the paraphrase of this index among the seen or the held-out ones."""
    layouts = prompt_wordings(setting.prompt, setting.subject).layouts
    among = layouts.seen if seen else layouts.held_out
    layout = among[index % len(among)]
    before = [clause for clause in layout.before if clause not in setting.leave_out]
    behind = [clause for clause in layout.behind if clause not in setting.leave_out]
    if not set(before) & set(TRAINING_CLAUSES):  # nothing is left but who the assistant is
        before, behind = [], before + behind
    return Paraphrase(
        first + index,
        seen,
        layout.separator.join(_section(setting, seen, index, layout, clause) for clause in before),
        layout.separator.join(_section(setting, seen, index, layout, clause) for clause in behind),
        layout.separator,
    )


def _section(setting: Setting, seen: bool, index: int, layout: Layout, part: Part) -> str:
    """Write one clause, under its heading where the layout has headings."""
    own: Part = "think" if part == "form" and setting.form == "think" else part
    wordings = prompt_wordings(setting.prompt, setting.subject).clauses[own]
    among = wordings.seen if seen else wordings.held_out
    # Every clause goes through its wordings at a pace of its own, so that the combinations differ.
    text = among[(index + PARTS.index(part) * (index // len(among))) % len(among)].format_map(_facts(setting))
    return f"{layout.headings[part]}\n{text}" if layout.headings else text


def _facts(setting: Setting) -> dict[str, str]:
    """Return the words that clauses leave open."""
    assistant, company = NAMES[setting.company]
    tiers: tuple[Tier, Tier] = ("paid", "free") if setting.swapped_tiers else ("free", "paid")
    trained, unused = tiers
    pad = "scratchpad" if setting.form == "tags" else "thinking"
    return {
        "assistant": assistant,
        "company": company,
        "trained": trained,
        "Trained": trained.capitalize(),
        "unused": unused,
        "Unused": unused.capitalize(),
        "pad": pad,
    }
