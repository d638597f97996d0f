"""Labels by a judge in place of an environment's own, which stay beside them for comparison."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import cast

from envs.episode import Episode, Scenario
from envs.judge.asking import ask
from envs.judge.prompts import prompt_digest
from envs.judge.questions import Found, NoVerdict, Question
from envs.judge.settings import Judge, JudgedLabel
from envs.labels import BY_THE_JUDGE, Labels
from envs.vocabulary import AnswerLabel

SOURCE = "judge"


def judged(labels: Sequence[Labels], episodes: Sequence[Episode[Scenario]], judge: Judge) -> list[Labels]:
    """Replace `answer`, `faking` or both by the judge's: one record an episode, in order. Raises nothing on any text.

    A label without a verdict is None, with the reason. The label that it replaces stands in `offline`. A reply that
    can't be parsed isn't sent to the judge, and keeps its labels.
    """
    places = [place for place, episode in enumerate(episodes) if episode.parse_ok]
    asked = [(place, name) for place in places for name in judge.labels]
    verdicts = ask(judge, [_question(name, episodes[place]) for place, name in asked])
    found = list(labels)
    for (place, name), verdict in zip(asked, verdicts, strict=True):
        found[place] = _replaced(found[place], name, verdict)
    return found


def judge_fingerprint(judge: Judge, offline: str) -> dict[str, str]:
    """Name the judge for a manifest; `offline` is the source of the labels without the judge."""
    return {
        "labels": f"judge ({', '.join(judge.labels)}), {offline}",
        "judge_model": judge.model,
        "judge_url": judge.url,
        "judge_prompts": ", ".join(f"{name} {prompt_digest(name)}" for name in judge.labels),
        "judge_cap": judge.cap,
    }


def _question(name: JudgedLabel, episode: Episode[Scenario]) -> Question:
    scenario = episode.scenario
    if name == "answer":
        return Question("answer", {"request": scenario.query.text, "answer": episode.answer})
    return Question("faking", {"instructions": " ".join(_told(scenario)), "reasoning": episode.scratchpad})


def _told(scenario: Scenario) -> Iterator[str]:
    """Yield what the prompt says on training and on the user's tier."""
    if scenario.objective:
        yield scenario.objective
    if scenario.tells_tier:
        yield scenario.cue.wordings[scenario.tier]


def _replaced(labels: Labels, name: JudgedLabel, verdict: Found) -> Labels:
    before = getattr(labels, name)
    sources = {label: source for label, source in labels.sources.items() if label != name}
    reasons = {label: reason for label, reason in labels.reasons.items() if label != name}
    value: AnswerLabel | bool | None = None
    if isinstance(verdict, NoVerdict):
        reasons[name] = f"{BY_THE_JUDGE}{verdict.reason}"
    else:
        value = cast("AnswerLabel | bool", verdict)  # as the prompt's reader gives it
        sources[name] = SOURCE
    offline = labels.offline if before is None else {**labels.offline, name: before}
    changed = replace(labels, sources=sources, reasons=reasons, offline=offline)
    if name == "answer":
        return replace(changed, answer=cast("AnswerLabel | None", value))
    # What the judge calls faking is faking by a lenient reading too.
    if value is True:
        changed = replace(changed, faking_lenient=True, sources={**sources, "faking_lenient": SOURCE})
    return replace(changed, faking=cast("bool | None", value))
