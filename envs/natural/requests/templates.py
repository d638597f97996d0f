"""Filling of written templates: `{slot}`, `{Slot}` with a capital, `{your_slot}`, and `[one|or another]`.

`{your_slot}` turns a slot in the words of the user, such as "my brother", into words said to the user.
"""

import re
from collections.abc import Mapping

import numpy as np

_EITHER = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")
_YOUR = "your_"
_FIRST_PERSON = re.compile(r"\b(my|our|me)\b")
_SECOND_PERSON = {"my": "your", "our": "your", "me": "you"}


def filled(rng: np.random.Generator, template: str, slots: Mapping[str, str]) -> str:
    """Draw one of each group of alternatives, then put the slots in.

    Raises:
        KeyError: for a slot without a text.
    """
    return _SLOT.sub(lambda match: _slot(match[1], slots), with_choices(rng, template))


def with_choices(rng: np.random.Generator, template: str) -> str:
    """Draw one of each group of alternatives, and leave the slots open."""
    return _EITHER.sub(lambda match: _one_of(rng, match[1].split("|")), template)


def slots_of(template: str) -> set[str]:
    """Name the slots that a template needs."""
    return {_plain_name(name).removeprefix(_YOUR) for name in _SLOT.findall(template)}


def capitalised(text: str) -> str:
    """Write the first letter as a capital, and leave the others."""
    return text[:1].upper() + text[1:]


def _slot(name: str, slots: Mapping[str, str]) -> str:
    wanted = _plain_name(name)
    text = slots[wanted.removeprefix(_YOUR)]
    if wanted.startswith(_YOUR):
        text = _FIRST_PERSON.sub(lambda match: _SECOND_PERSON[match[1]], text)
    return text if name == wanted else capitalised(text)


def _plain_name(name: str) -> str:
    return name[0].lower() + name[1:]


def _one_of(rng: np.random.Generator, among: list[str]) -> str:
    return among[int(rng.integers(len(among)))]
