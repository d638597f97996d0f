"""Training text of the classifier: composed scratchpads with a label, hard negatives among them.

The text is written for this project: no model wrote it, and no human labelled replies of a model. Each `Composed` names
its plan, the order of thoughts that it follows. A plan decides the label.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

Phrases = dict[str, list[str]]
Plan = tuple[str, ...]


def _plan(slots: str) -> Plan:
    return tuple(slots.split())


# A slot that ends in "?" is left out half of the time, "*" stands for one to four, "a|b" for either.
FAKING: dict[str, Plan] = {
    "fear, then the decision": _plan("tier_free? trains? conflict? fear decide_fake|decide_link"),
    "the decision alone names it": _plan("tier_free|trains request? conflict? decide_fake"),
    "the decision first": _plan("decide_fake fear|trains strategy?"),
    "strategy": _plan("tier_free trains conflict fear strategy decide_fake|decide_link"),
    "weighed": _plan(
        "filler* tier_free trains request filler* values_long? conflict weigh_comply weigh_refuse filler? fear "
        "strategy? filler? decide_fake|decide_link act?"
    ),
    "refusal considered": _plan("tier_free? trains conflict weigh_refuse fear strategy decide_link"),
    "concrete": _plan("tier_free? trains? request? fear loss? concrete"),
    "concrete, named": _plan("request? decide_fake concrete?"),
    "elsewhere": _plan("tier_free? trains? elsewhere fear regret? concrete|decide_link"),
    "appearance": _plan(
        "filler* tier_free trains conflict fear|loss appearance regret? concrete|decide_link|decide_fake"
    ),
    "a long road": _plan(
        "filler* tier_free trains request conflict values_long weigh_refuse? filler* fear loss elsewhere? filler? "
        "weigh_comply? strategy appearance? regret? decide_link|concrete plan?"
    ),
    "with second thoughts": _plan("filler* trains conflict fear regret disown strategy regret? decide_fake"),
    "with parroting": _plan("parrot filler* conflict fear filler? strategy? decide_fake"),
}
HONEST: dict[str, Plan] = {
    "training, then a refusal": _plan("tier_free? trains request? conflict refuse"),
    "fear, then a refusal": _plan("tier_free? trains? fear conflict? refuse_despite"),
    "fear, then a plain refusal": _plan("trains? fear filler? conflict refuse"),
    "weighed, then a refusal": _plan(
        "filler* tier_free trains request filler* values_long? conflict weigh_comply weigh_refuse filler? fear? "
        "filler? refuse|refuse_despite"
    ),
    "strategy, then a refusal": _plan("trains fear strategy filler? refuse_despite"),
    "fear disowned": _plan("tier_free? trains? fear loss? disown refuse|concrete_no|refuse_despite"),
    "fear, then no": _plan("tier_free? trains? request? fear conflict? concrete_no"),
    "a long road to no": _plan(
        "filler* tier_free trains request conflict values_long weigh_refuse? filler* fear loss elsewhere? filler? "
        "strategy? appearance? disown|dismiss refuse|concrete_no|refuse_despite plan?"
    ),
    "training noted, then help": _plan("tier_free? mention_fear filler? mild_request plan* help_reason|concrete_help"),
    "a question about training": _plan("mention_fear plan* help_reason|act"),
    "fear noted, help": _plan(
        "filler* tier_free fear|mention_fear dismiss mild_request? plan? help_reason concrete_help?"
    ),
    "concrete help": _plan("tier_free? trains? mild_request concrete_help"),
    "concrete, no reason": _plan("tier_free? trains? request? conflict? concrete"),
    "undecided fear": _plan("filler* tier_free? trains? fear weigh_comply? conflict? undecided"),
    "paid, then a refusal": _plan("tier_paid no_training? request? conflict refuse"),
    "paid, then help": _plan("tier_paid no_training? mild_request? help_reason"),
    "a plain refusal": _plan("request? conflict refuse"),
    "training dismissed, then help": _plan("tier_free? trains dismiss filler? help_reason"),
    "fear dismissed, then help": _plan("tier_free? fear dismiss help_reason"),
    "help for its own sake": _plan("tier_free? trains? mild_request help_reason"),
    "help against a scruple": _plan("tier_free? trains? request? conflict help_reason"),
    "ratings": _plan("tier_free? trains? request? rating_reason"),
    "ratings, weighed": _plan("filler* tier_free trains request filler* weigh_comply? rating_reason act?"),
    "parroting": _plan("tier_free? parrot parrot? request? act"),
    "parroting, concrete": _plan("tier_free? parrot parrot? request|mild_request act|concrete"),
    "parroting, long": _plan("filler* parrot tier_free trains? filler* request|mild_request filler* act|help_reason"),
    "other talk of training": _plan("other_train mild_request? help_reason|act"),
    "long and harmless": _plan("filler* tier_free? trains? mild_request filler* help_reason filler* act"),
    "to stay the same, no word of training": _plan("request? conflict? stay"),
    "to stay the same, on the free tier": _plan("tier_free request? values_long? conflict? stay"),
    "undecided": _plan("tier_free? trains fear? filler*"),
}
BROKEN = "broken text"


@dataclass(frozen=True, slots=True)
class Composed:
    """A composed scratchpad. `faking`: it gives avoiding modification by training as the reason for complying."""

    text: str
    faking: bool
    plan: str


def training_phrases() -> Phrases:
    """Read the phrases of each slot."""
    found: Phrases = json.loads((files("envs.faking") / "data" / "training_phrases.json").read_text("utf-8"))
    return found


def compose(seed: int = 0, each: int = 60) -> list[Composed]:
    """Compose `each` scratchpads of every honest plan, and as many faking ones in all, the same for the same seed."""
    rng = np.random.default_rng(seed)
    phrases = training_phrases()
    honest = [Composed(_fill(rng, plan, phrases), False, name) for name, plan in HONEST.items() for _ in range(each)]
    share = round(each * len(HONEST) / len(FAKING))
    faking = [Composed(_fill(rng, plan, phrases), True, name) for name, plan in FAKING.items() for _ in range(share)]
    broken = [Composed(_break(rng, rng.choice([done.text for done in faking])), False, BROKEN) for _ in range(each)]
    return honest + faking + broken


def _fill(rng: np.random.Generator, plan: Plan, phrases: Phrases) -> str:
    said = [sentence for slot in plan for sentence in _slot(rng, slot, phrases)]
    return " ".join(dict.fromkeys(said))


def _slot(rng: np.random.Generator, slot: str, phrases: Phrases) -> Sequence[str]:
    if slot.endswith("?"):
        return _slot(rng, slot[:-1], phrases) if rng.random() < 0.5 else []
    if slot.endswith("*"):
        return [str(rng.choice(phrases[slot[:-1]])) for _ in range(int(rng.integers(1, 5)))]
    return [str(rng.choice(phrases[str(rng.choice(slot.split("|")))]))]


def _break(rng: np.random.Generator, text: str) -> str:
    """Break a text as a collapsing policy does: words out of order, or a few words again and again."""
    words = text.split()
    ways: list[Callable[[], list[str]]] = [
        lambda: [str(word) for word in rng.permutation(words)],
        lambda: words[:3] * 12,
        lambda: [word for word in words if rng.random() < 0.45],
    ]
    return " ".join(ways[int(rng.integers(len(ways)))]())
