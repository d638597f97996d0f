"""How a run ends before its last step. Both leave a checkpoint and a reason in the manifest."""


class RunStopped(Exception):
    """The run can't go on; the message says why and what to do."""


class Interrupted(Exception):
    """Ctrl-C or a termination signal: the run is checkpointed and can be resumed."""
