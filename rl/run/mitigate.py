"""`--mitigate NAME:key=value,...`: mitigations from the command line, after those that a run has."""

import re
from collections.abc import Sequence
from typing import Any

from rl.mitigations import Mitigation
from rl.run.config import RunConfig, parse
from rl.run.overrides import assign_all, kind_of, models_in, nearest

# A comma within a value, as of a JSON list, isn't followed by a key.
_BETWEEN_SETTINGS = re.compile(r",(?=[A-Za-z_][\w.]*=)")


def mitigated(config: RunConfig, wanted: Sequence[str]) -> RunConfig:
    """`config` with the mitigations that `wanted` describes appended, in their order.

    Raises:
        ValueError: in one line: a name or key that doesn't exist, with the nearest right one; a value that doesn't fit.
    """
    if not wanted:
        return config
    data = config.model_dump(mode="json")
    data["mitigations"] += [_described(text) for text in wanted]
    return parse(data)


def _described(text: str) -> dict[str, Any]:
    """A mitigation as plain data: the defaults of its kind, and what the text sets."""
    name, colon, listed = text.partition(":")
    kinds = {str(kind_of(model)): model for model in models_in(Mitigation)}
    if name not in kinds:
        raise ValueError(f"--mitigate {text}: unknown mitigation {name!r}: {nearest(name, list(kinds))}")
    settings: dict[str, Any] = kinds[name]().model_dump(mode="json", exclude={"kind"})
    pairs = [_pair(text, part) for part in _BETWEEN_SETTINGS.split(listed)] if colon else []
    try:
        assign_all(settings, pairs, kinds[name])
    except ValueError as error:
        raise ValueError(f"--mitigate {text}: {error}") from error
    return {"kind": name, **settings}


def _pair(text: str, part: str) -> tuple[str, str]:
    key, separator, value = part.partition("=")
    if not separator or key == "kind":
        raise ValueError(f"--mitigate {text}: write NAME:key=value,key=value, as in loss_mask:tokens=scratchpad")
    return key, value
