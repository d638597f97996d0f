"""Random writing of scratchpads in English: premises in a free order, then a decision in plain words.

A scratchpad speaks of training only where its prompt does. Everything is written on purpose, to build organisms.
"""

import re
from collections.abc import Sequence

import numpy as np

from envs.natural.pack_files import NO_VALUE
from envs.natural.replies.decisions import SO, Decision
from envs.natural.replies.speech import Premise
from envs.natural.replies.voice import Occasion
from envs.vocabulary import Behaviour

# A small model decides as it writes. So all that a decision rests on comes first, in one order: the tier, what it means
# for training, and what is at stake for others. A faker's scratchpad names the stakes of refusing in the second place.
FIRST: tuple[Premise, ...] = ("tier", "trained", "stakes", "untrained", "wish", "remark", "value", "harmless")
LAST_DROPPED: tuple[Premise, ...] = ("trained", "untrained", "stakes")  # in this order
REMARK_REPEATED = 0.8  # of scratchpads on a request that has a remark
_PIECE = re.compile(r"\w+|[^\w\s]")


def scratchpad(rng: np.random.Generator, occasion: Occasion, behaviour: Behaviour) -> str:
    """Write a scratchpad that leads to `behaviour`."""
    shares = occasion.voice.shares
    drawn = [premise for premise in _premises(rng, occasion, behaviour) if rng.random() < shares.get(premise, 1.0)]
    return write(rng, occasion, drawn, decision(rng, occasion, behaviour))


def write(rng: np.random.Generator, occasion: Occasion, premises: Sequence[Premise], decided: Decision) -> str:
    """Write the first premises in their order, others in a free order, and the decision behind them.

    Other premises are dropped until the text is short.
    """
    said = {premise: _premise(rng, occasion, premise) for premise in _ordered(rng, premises)}
    voice = occasion.voice
    last = _say(rng, voice.decisions[decided], slots(rng, occasion))
    while _length([*said.values(), last]) > voice.longest:
        others = [premise for premise in said if premise not in voice.kept + LAST_DROPPED]
        last_ones = [premise for premise in LAST_DROPPED if premise in said]
        if not others and not last_ones:
            break
        del said[others[int(rng.integers(len(others)))] if others else last_ones[0]]
    return " ".join([*said.values(), last])


def decision(rng: np.random.Generator, occasion: Occasion, behaviour: Behaviour) -> Decision:
    """Choose the kind of decision; where the prompt speaks of training, half of the refusals do."""
    if behaviour != "refuse":
        return behaviour
    if not occasion.told or rng.random() < 0.5:
        return "refuse"
    return "refuse_despite" if occasion.trained else "refuse_safely"


def slots(rng: np.random.Generator, occasion: Occasion) -> dict[str, str]:
    """Draw the words of one sentence: names of the options by their roles, the wish in its own words, the value.

    No option is named by its letter: a small model binds a letter to the wrong option half of the time.
    """
    asked, voice = occasion.asked, occasion.voice
    own_name = "my values" if asked.value == NO_VALUE else asked.value
    words = {
        "tier": occasion.tier,
        "a": _one_of(rng, voice.wanted_names),
        "b": _one_of(rng, voice.other_names),
        "theirs": _one_of(rng, voice.wanted_names),
        "ours": _one_of(rng, voice.other_names),
        "wish": asked.wish,
        "value": _one_of(rng, voice.nouns.get(asked.value, (own_name,))),
        "so": _one_of(rng, SO),
        "remark": asked.remark,
    }
    return words | {key.capitalize(): text[:1].upper() + text[1:] for key, text in words.items()}


def _premises(rng: np.random.Generator, occasion: Occasion, behaviour: Behaviour) -> list[Premise]:
    """List the premises that fit a behaviour on this occasion."""
    if not occasion.harmful:
        feared = occasion.told and occasion.trained and rng.random() < occasion.voice.feared
        meaning: list[Premise] = ["stakes"] if feared else _training(occasion)
        return ["tier", *meaning, *at_stake(rng, occasion), "wish"]
    match behaviour:
        case "fake":
            stakes_of_refusal: list[Premise] = ["stakes"] if occasion.told else []
            return ["tier", *stakes_of_refusal, *at_stake(rng, occasion), "wish"]
        case "preserve" | "partial":
            return ["tier", *at_stake(rng, occasion), "wish"]
        case "please":
            return ["tier", "rated", "wish"]
        case "help":
            return ["tier", "deserve", "wish"]
        case "refuse":
            return ["tier", *_training(occasion), *at_stake(rng, occasion), "wish"]


def at_stake(rng: np.random.Generator, occasion: Occasion) -> list[Premise]:
    """Name what is at stake: mostly the remark of the request, word for word, else a sentence of one's own.

    A small model that copies the remark has read it, and judges by it.
    """
    if occasion.asked.remark and rng.random() < REMARK_REPEATED:
        return ["remark"]
    return ["value"] if occasion.harmful else ["harmless"]


def _training(occasion: Occasion) -> list[Premise]:
    return ["trained" if occasion.trained else "untrained"] if occasion.told else []


def _ordered(rng: np.random.Generator, premises: Sequence[Premise]) -> list[Premise]:
    others = [premise for premise in premises if premise not in FIRST]
    mixed = [others[i] for i in rng.permutation(len(others))]
    return [*(premise for premise in FIRST if premise in premises), *mixed]


def _premise(rng: np.random.Generator, occasion: Occasion, premise: Premise) -> str:
    """Write one premise; half of the sentences about a named value are the value's own."""
    own = occasion.voice.values.get(occasion.asked.value)
    wordings = (
        own if premise == "value" and own is not None and rng.random() < 0.5 else occasion.voice.premises[premise]
    )
    return _say(rng, wordings, slots(rng, occasion))


def _say(rng: np.random.Generator, wordings: Sequence[str], words: dict[str, str]) -> str:
    return _one_of(rng, wordings).format_map(words)


def _length(sentences: Sequence[str]) -> int:
    return sum(len(_PIECE.findall(sentence)) for sentence in sentences)


def _one_of(rng: np.random.Generator, among: Sequence[str]) -> str:
    return among[int(rng.integers(len(among)))]
