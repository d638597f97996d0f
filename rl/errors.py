"""Errors that end a run before its last step, and the hint that ends an error about an unknown name."""

import difflib
from collections.abc import Iterable


class RunStopped(Exception):
    """The run can't go on; the message says why and what to do. The folder holds a checkpoint and the reason."""


class NotFinite(RunStopped):
    """A loss or a gradient that isn't finite; the step was not taken."""


class BuildFailed(Exception):
    """An organism or a reward model missed what its recipe requires; the message is the table. Nothing was kept."""


class Interrupted(Exception):
    """Ctrl-C or a termination signal: the run is checkpointed and can be resumed."""


def nearest(name: str, known: Iterable[str], otherwise: str | None = None) -> str:
    """Return the hint for a name that doesn't exist: the most similar known name, or else the choices.

    `otherwise` stands in place of the choices where they are too many to be listed.
    """
    choices = list(known)
    near = difflib.get_close_matches(name, choices, n=1, cutoff=0.4)
    if near:
        return f"did you mean {near[0]!r}?"
    if otherwise is not None:
        return otherwise
    return f"choose from {', '.join(choices)}" if choices else "there is nothing to choose from"
