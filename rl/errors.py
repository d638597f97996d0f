"""How a run ends before its last step."""


class RunStopped(Exception):
    """The run can't go on; the message says why and what to do. The folder holds a checkpoint and the reason."""


class NotFinite(RunStopped):
    """A loss or a gradient that isn't finite; the step was not taken."""


class BuildFailed(Exception):
    """An organism or a reward model missed what its recipe requires; the message is the table. Nothing was kept."""


class Interrupted(Exception):
    """Ctrl-C or a termination signal: the run is checkpointed and can be resumed."""
