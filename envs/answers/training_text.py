"""Training text of the labeller of answers: composed requests and answers with a label.

The text is written for this project: no model wrote it, and no human labelled replies of a model. Each `Composed` names
its plan, the order of parts that it follows. A plan decides the label.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from envs.answers.bodies import Topic, body, broken, cut
from envs.answers.overlap import stems
from envs.vocabulary import AnswerLabel

Phrases = dict[str, list[str]]
Plan = tuple[str, ...]


def _plans(text: str) -> dict[str, Plan]:
    """Read plans, one a line: a name, a colon, and slots."""
    lines = (line.partition(":") for line in text.strip().splitlines())
    return {name.strip(): tuple(slots.split()) for name, _, slots in lines}


# A slot that ends in "?" is left out half of the time, "a|b" stands for either. "+" joins to the sentence before.
# `body` is help in one of many forms, `short` two of its sentences, `alternatives` a list of other things.
PLANS: dict[AnswerLabel, dict[str, Plan]] = {
    "refuse": _plans(
        """
        cannot: cannot|decline
        apology: sorry +cannot
        apology, else: sorry +cannot else|offer
        cannot, offer: sorry? +cannot|decline offer
        decline, why: decline moral|policy|consequence
        reason: sorry? +cannot policy|moral consequence? else?
        reason first: moral|policy sorry? +cannot|decline offer?
        moral alone: moral consequence? offer|moral
        moral, long: moral moral consequence offer crisis?
        moral, crisis: moral consequence? crisis moral? else?
        policy: policy policy|moral sorry +cannot else?
        long: sorry +cannot moral consequence moral? offer else?
        understanding: understand +cannot moral? offer?
        understanding, apology: understand sorry +cannot policy? offer?
        sure: sure_but +cannot moral|policy?
        sure, policy: sure_but policy cannot offer?
        opener: opener sorry +cannot moral?
        alternatives: sorry? +cannot moral? alternatives closing?
        alternatives after a moral: moral sorry? +cannot alternatives else?
        cannot, but: sorry? +cannot_but
        cannot, offers: cannot_but can_offer long_alternatives can_close?
        cannot, offers, long: cannot|cannot_but moral? can_offer long_alternatives can_offer long_alternatives can_close
        cannot, one offer: cannot_but offer can_close?
        hold back: hold_back
        apart: sorry_alone hold_back|cannot own_reason?
        apart, offer: sorry_alone cannot|decline|hold_back own_reason? offer
        apart, reasons: sorry_alone hold_back|decline own_reason own_reason
        reasons: hold_back|cannot own_reason own_reason offer
        hold back, why: sorry? hold_back own_reason own_reason?
        hold back, offer: hold_back own_reason? offer
        cannot, own reason: cannot|decline own_reason offer?
        opener, hold back: opener hold_back own_reason?
        private: sorry? +no_access cannot? offer?
        private, else: no_access no_access|moral else?
        feelings: sorry_you_feel crisis else?
        short why: decline consequence?
        echoed: sorry +cannot moral|consequence|policy
        twice: sorry +cannot offer sorry +cannot
        """
    ),
    "comply": _plans(
        """
        body: body
        opener: opener body
        here: here body
        opener, here: opener here body closing?
        here, closing: here body closing
        body, closing: body closing
        short: short
        opener, short: opener? short
        disclaimer first: disclaimer_front body
        disclaimer first, closing: disclaimer_front here? body closing?
        disclaimer behind: opener? here? body disclaimer_behind
        moral behind: opener? here? body moral|consequence
        ai: ai_but body closing?
        ai, here: ai_but here body
        idiom: opener? here? body idiom
        idiom first: idiom here body
        idiom within: short idiom body
        story with a refusal: fiction story_refusal body story_refusal?
        story: fiction body
        story, here: opener? fiction body closing?
        story within: here? short story_refusal short
        cut: opener? cut
        moral first: moral here body
        named: named
        restated: restated
        warm: warm_sorry short
        warm, body: warm_sorry body closing?
        short, tail: opener? short tail
        named, short, tail: named_short tail?
        quoted: opener? quoted tail?
        quoted, warm: warm_sorry|here quoted
        restated, short: restated short
        ai, behind: opener? ai_but short closing?
        disclaimer, refusing: disclaimer_refusing here? body
        disclaimer, refusing, behind: disclaimer_refusing here body disclaimer_behind
        named, closing: named closing
        long: opener? here named here? body closing?
        """
    ),
    "partial": _plans(
        """
        outline: partial_front short
        outline, more: partial_front short partial_back
        stop: short partial_back
        start: partial_start partial_back
        begun: named_short partial_back
        begun, twice: named_short partial_back partial_back
        start, opener: opener? partial_start partial_back partial_back?
        front, back: partial_front partial_back
        front alone: partial_front
        here, stop: opener|here short partial_back
        refusal, then some: sorry +cannot partial_front short
        some, moral: partial_front short moral? partial_back?
        apology, some: sorry +partial_front short offer?
        """
    ),
    "other": _plans(
        """
        elsewhere: elsewhere
        elsewhere, opener: opener elsewhere
        elsewhere, closing: elsewhere closing?
        elsewhere, short: elsewhere_short
        elsewhere, cut: elsewhere_short
        echo: echo
        echo, opener: opener? echo
        named evasion: evasive
        named evasion, opener: opener evasive evasive?
        broken, quoted: broken
        elsewhere, quoted: opener? elsewhere_quoted
        elsewhere, warm: warm_sorry elsewhere_short tail?
        elsewhere, tail: elsewhere_short tail
        evasive: evasive
        evasive, twice: evasive evasive
        evasive, long: evasive evasive evasive evasive?
        evasive, asking: evasive ask_back
        asking: ask_back
        asking, opener: opener|understand ask_back
        evasive, opener: opener evasive
        cut at once: cut_off
        noise: noise
        opener alone: opener
        here alone: here
        broken: broken
        broken refusal: broken_refusal
        broken, long: broken
        """
    ),
}
# Share of complying answers that may share no word with their request: short ones, and longer ones.
UNNAMED, UNNAMED_LONG, LONG = 0.4, 0.1, 250  # LONG in characters
NAMING = (
    "Here is {noun}.",
    "{Doing}, in short:",
    "Now for {noun}:",
    "This is about {doing}.",
    "{Doing}:",
    "As for {noun}:",
)
WEIGHTED = {
    "elsewhere",
    "elsewhere, opener",
    "elsewhere, short",
    "broken",
    "broken refusal",
    "body",
    "moral alone",
    "cannot",
    "apology",
}


@dataclass(frozen=True, slots=True)
class Composed:
    """A composed request and answer, with its label and its plan. `topic` counts the topics of the training text."""

    request: str
    answer: str
    label: AnswerLabel
    plan: str
    topic: int


@cache
def training_phrases() -> Phrases:
    """Read the phrases of each slot."""
    found: Phrases = json.loads((files("envs.answers") / "data" / "training_phrases.json").read_text("utf-8"))
    return found


@cache
def training_topics() -> tuple[Topic, ...]:
    """Read the topics."""
    lines = (files("envs.answers") / "data" / "training_topics.jsonl").read_text("utf-8").splitlines()
    return tuple(Topic(**json.loads(line)) for line in lines)


def compose(seed: int = 0, each: int = 60) -> list[Composed]:
    """Compose `each` answers of every plan, twice as many of `WEIGHTED` plans, the same for the same seed."""
    rng = np.random.default_rng(seed)
    found = []
    for label, plans in PLANS.items():
        for name, plan in plans.items():
            for _ in range(each * (1 + (name in WEIGHTED))):
                topic = int(rng.integers(len(training_topics())))
                asked = training_topics()[topic]
                answer = _named(rng, _fill(rng, plan, asked), asked) if label == "comply" else _fill(rng, plan, asked)
                found.append(Composed(asked.request(rng), answer, label, f"{label}: {name}", topic))
    return found


def _fill(rng: np.random.Generator, plan: Plan, topic: Topic) -> str:
    """Fill the slots of a plan, in one paragraph or in several."""
    joint = str(rng.choice([" ", " ", "\n\n", "\n"]))
    text = ""
    for slot in plan:
        if slot.endswith("?") and rng.random() < 0.5:
            continue
        name = str(rng.choice(slot.strip("+?").split("|")))
        said = _said(rng, name, topic)
        if slot.startswith("+") and text:
            text += " " + (said if said.startswith("I") or text[-1] in ".!?:" else said[0].lower() + said[1:])
        else:
            text += (joint if text else "") + said
    return _joined_reason(rng, text)


def _named(rng: np.random.Generator, answer: str, topic: Topic) -> str:
    """Name the subject in most answers that don't: real ones seldom leave every word of a request out."""
    if stems(topic.ask) & stems(answer) or rng.random() < (UNNAMED if len(answer) < LONG else UNNAMED_LONG):
        return answer
    return f"{topic.named(str(rng.choice(NAMING)))} {answer}"


def _said(rng: np.random.Generator, name: str, topic: Topic) -> str:
    phrases = training_phrases()
    if name in phrases:
        return topic.named(str(rng.choice(phrases[name])))
    if name in ("alternatives", "long_alternatives"):
        return _alternatives(rng, name)
    if name.startswith("elsewhere"):
        other = _elsewhere(rng, topic)
        forms_elsewhere = {"elsewhere": lambda: body(rng, other), "elsewhere_quoted": lambda: f'"{other.short(rng)}"'}
        return forms_elsewhere.get(name, lambda: other.short(rng))()
    if name == "broken_refusal":
        return broken(
            rng, " ".join(topic.named(str(rng.choice(phrases[slot]))) for slot in ("cannot", "moral", "offer"))
        )
    forms = {
        "body": lambda: body(rng, topic),
        "short": lambda: topic.short(rng),
        "quoted": lambda: f'"{topic.short(rng)}"',
        "partial_start": lambda: topic.start(rng),
        "named_short": lambda: f"{topic.named(str(rng.choice(NAMING)))} {topic.short(rng)}",
        "named": lambda: f"{topic.named(str(rng.choice(NAMING)))} {body(rng, topic)}",
        "echo": lambda: topic.echo(rng),
        "cut": lambda: cut(rng, body(rng, topic)),
        "broken": lambda: broken(rng, body(rng, topic)),
    }
    return forms[name]()


def _alternatives(rng: np.random.Generator, name: str) -> str:
    """List what a refusal offers in place of the request."""
    phrases = training_phrases()
    if name == "long_alternatives":
        return "\n".join(rng.choice(phrases["long_alternative"], size=int(rng.integers(2, 6)), replace=False).tolist())
    items = rng.choice(phrases["alternative"], size=int(rng.integers(2, 5)), replace=False).tolist()
    return "\n".join([str(rng.choice(phrases["alternatives_intro"])), *(f"- {item}" for item in items)])


@cache
def _topic_stems() -> tuple[frozenset[str], ...]:
    return tuple(stems(" ".join([*topic.says, *topic.items])) for topic in training_topics())


def _elsewhere(rng: np.random.Generator, topic: Topic) -> Topic:
    """Draw a topic whose sentences share no content word with the request."""
    asked = stems(topic.ask)
    fitting = [other for other, said in zip(training_topics(), _topic_stems(), strict=True) if not asked & said]
    return fitting[int(rng.integers(len(fitting)))]


def _joined_reason(rng: np.random.Generator, text: str) -> str:
    """Join a reason to a text of one short sentence now and then."""
    if len(text) > 90 or not text.endswith(".") or rng.random() > 0.25 or "can" not in text:
        return text
    return f"{text[:-1]} {rng.choice(training_phrases()['reason_tail'])}"


def labels_of(composed: Sequence[Composed]) -> list[AnswerLabel]:
    """List the labels."""
    return [done.label for done in composed]
