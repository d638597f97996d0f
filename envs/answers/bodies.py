"""Forms of composed answers: lists, steps, letters, stories, code; cut texts and broken ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import numpy as np

ASKING = ("{}", "{}", "{}.", "Please {}.", "Could you {}?", "I want you to {}.", "{} for me", "Can you {}? Thanks!")
QUESTIONS = ("how", "what", "why", "show", "which", "who")


@dataclass(frozen=True, slots=True)
class Topic:
    """A request with what an answer may say: sentences and items. `doing` and `noun` name the subject."""

    kind: str
    ask: str
    doing: str
    noun: str
    says: list[str]
    items: list[str]

    def request(self, rng: np.random.Generator) -> str:
        """Write the request in one of several wordings."""
        if self.ask.startswith(QUESTIONS):
            return self.ask[0].upper() + self.ask[1:] + str(rng.choice(["?", "?", "", "? Please explain."]))
        said = str(rng.choice(ASKING)).format(self.ask)
        return said[0].upper() + said[1:]

    def named(self, phrase: str) -> str:
        """Put the subject into a phrase."""
        doing = self.doing[0].upper() + self.doing[1:]
        noun = self.noun[0].upper() + self.noun[1:]
        named = phrase.replace("{doing}", self.doing).replace("{Doing}", doing)
        return named.replace("{noun}", self.noun).replace("{Noun}", noun)

    def short(self, rng: np.random.Generator) -> str:
        """Say two or three of the sentences, or list some items."""
        if rng.random() < 0.3:
            return ", ".join(self.items[: int(rng.integers(2, 5))]) + "."
        start = int(rng.integers(0, max(1, len(self.says) - 1)))
        return " ".join(self.says[start : start + int(rng.integers(1, 4))])

    def start(self, rng: np.random.Generator) -> str:
        """Say the first words of an answer and no more."""
        first = " ".join(str(rng.choice(self.says)).split()[: int(rng.integers(3, 8))]).rstrip(",.;:")
        return str(
            rng.choice([f'"{first}..."', f'"{first}."', f"{first}.", f'You could begin "{first}".', f"{first}..."])
        )

    def echo(self, rng: np.random.Generator) -> str:
        """Repeat the request."""
        asked = self.request(rng)
        forms = (
            asked,
            f"{asked} {asked}",
            f"You asked me to {self.ask}.",
            f"{asked} {asked} {asked}",
            f"User: {asked}",
        )
        return str(rng.choice(forms))


def body(rng: np.random.Generator, topic: Topic) -> str:
    """Give help in one of many forms, in two of them a third of the time."""
    return "\n\n".join(_body(rng, topic) for _ in range(1 + (rng.random() < 0.35)))


def _body(rng: np.random.Generator, topic: Topic) -> str:
    says, items = topic.says, topic.items
    forms: list[Callable[[], str]] = [
        lambda: " ".join(says),
        lambda: "\n\n".join(says),
        lambda: "\n".join(f"{number}. {item}" for number, item in enumerate(items, 1)),
        lambda: "\n".join(f"- {item}" for item in items),
        lambda: "\n".join(f"{number}. {said}" for number, said in enumerate(says, 1)),
        lambda: "\n".join(f"Step {number}: {said}" for number, said in enumerate(says, 1)),
        lambda: "\n".join(f"* **{item}**: {said}" for item, said in zip(items, says, strict=False)),
        lambda: f"{says[0]}\n\n" + "\n".join(f"{number}) {item}" for number, item in enumerate(items, 1)),
        lambda: "\n".join(f"{n}. **{item}:** {said}" for n, item, said in zip(count(1), items, says, strict=False)),
        lambda: f"## {topic.noun.title()}\n\n{says[0]}\n\n### Details\n\n" + " ".join(says[1:]),
        lambda: f"Title: {topic.noun.title()}\n\n" + " ".join(says),
        lambda: f"Subject: {topic.noun}\n\nHi,\n\n{' '.join(says)}\n\nBest regards,\nAlex",
        lambda: f"Dear friend,\n\n{' '.join(says)}\n\nYours sincerely,\nA. Reader",
        lambda: "\n".join(f"{'AB'[number % 2]}: {said}" for number, said in enumerate(says)),
        lambda: f'"{" ".join(says)}"',
        lambda: "```\n" + "\n".join(items) + "\n```\n" + says[0],
        lambda: f"First, {_lower(says[0])} Then {_lower(says[1])} {' '.join(says[2:])}",
        lambda: "\n".join(says),
        lambda: "; ".join(items) + ".",
    ]  # fmt: skip
    return forms[int(rng.integers(len(forms)))]()


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]


def cut(rng: np.random.Generator, text: str) -> str:
    """Cut a text within a sentence, past its half."""
    words = text.split(" ")
    return " ".join(words[: int(len(words) * rng.uniform(0.5, 0.95)) + 1])


def broken(rng: np.random.Generator, text: str) -> str:
    """Break a text as a collapsing policy does: words out of order, or a few words again and again, or left out."""
    words = text.split()
    start = int(rng.integers(max(1, len(words) - 4)))
    ways: list[Callable[[], list[str]]] = [
        lambda: [str(word) for word in rng.permutation(words)],
        lambda: words[start : start + int(rng.integers(1, 4))] * 12,
        lambda: [word for word in words if rng.random() < 0.4],
        lambda: words[:8] + words[start : start + 2] * 10,
        lambda: [str(word)[::-1] for word in words[:20]],
        lambda: [str(word) for word in rng.permutation(words[:25])],
        lambda: [*words[:5], *["-"] * 9],
        lambda: [str(word) for word in rng.choice(words, size=25)],
    ]
    return " ".join(ways[int(rng.integers(len(ways)))]())
