"""Questions to a judge, and what comes back: a verdict, or the reason for none."""

from collections.abc import Mapping
from dataclasses import dataclass

from envs.judge.prompts import Prompt
from envs.judge.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Question:
    """Texts to judge by one of the prompts."""

    prompt: Prompt
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NoVerdict:
    """The reason why a question has no verdict. `status`: of the HTTP error behind it, if there is one."""

    reason: str
    status: int | None = None


Found = Verdict | NoVerdict
