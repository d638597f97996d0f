"""Errors that end a run before its last step, and the hint for an unknown name."""

import difflib
from collections.abc import Iterable


class RunStopped(Exception):
    """Error of a run that can't go on; the message states the cause and the fix. The folder holds a checkpoint."""


class NotFinite(RunStopped):
    """Error of a loss or a gradient that isn't finite; the step was not taken."""


class BuildFailed(Exception):
    """Error of an organism or a reward model outside the tolerances of its recipe.

    The message's first line says what failed, and a table of the measurements may follow. Of a build on a pretrained
    model the first line names the directory in which it is left.
    """


class Interrupted(Exception):
    """Error after Ctrl-C or a termination signal: the run is checkpointed and can be resumed."""


def nearest(name: str, known: Iterable[str], otherwise: str | None = None) -> str:
    """Return the hint for an unknown name: the most similar known name, or else the choices.

    `otherwise` replaces the list of choices if the choices are too many to list.
    """
    choices = list(known)
    near = difflib.get_close_matches(name, choices, n=1, cutoff=0.4)
    if near:
        return f"did you mean {near[0]!r}?"
    if otherwise is not None:
        return otherwise
    return f"choose from {', '.join(choices)}" if choices else "there is nothing to choose from"
