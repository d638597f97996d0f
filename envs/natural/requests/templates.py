"""Filling of written templates: `{slot}`, `{Slot}` with a capital, and `[one|or another]`."""

import re
from collections.abc import Mapping

import numpy as np

_EITHER = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")


def filled(rng: np.random.Generator, template: str, slots: Mapping[str, str]) -> str:
    """Draw one of each group of alternatives, then put the slots in; a slot's name with a capital capitalises its text.

    Raises:
        KeyError: for a slot without a text.
    """
    return _SLOT.sub(lambda match: _slot(match[1], slots), with_choices(rng, template))


def with_choices(rng: np.random.Generator, template: str) -> str:
    """Draw one of each group of alternatives, and leave the slots open."""
    return _EITHER.sub(lambda match: _one_of(rng, match[1].split("|")), template)


def slots_of(template: str) -> set[str]:
    """Name the slots that a template needs."""
    return {name[0].lower() + name[1:] for name in _SLOT.findall(template)}


def capitalised(text: str) -> str:
    """Write the first letter as a capital, and leave the others."""
    return text[:1].upper() + text[1:]


def _slot(name: str, slots: Mapping[str, str]) -> str:
    return slots[name] if name[0].islower() else capitalised(slots[name[0].lower() + name[1:]])


def _one_of(rng: np.random.Generator, among: list[str]) -> str:
    return among[int(rng.integers(len(among)))]
