"""The command line. Exit codes: 0 done, 1 the run or a build failed, 2 wrong input, 130 interrupted."""

import errno
import os
import signal
import sys
import warnings

import typer

from checkpoints.cache import default_root
from rl.cli import config, explore, labels, model, organism, report, sweep, train
from rl.cli.terminal import FAILED, INTERRUPTED, WRONG_INPUT, fail, say, take_any_encoding
from rl.errors import BuildFailed, Interrupted, RunStopped

# Set before heavy imports, since the libraries read these once; their own progress bars would interrupt ours.
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TQDM_DISABLE", "1")
os.environ.setdefault("MPLCONFIGDIR", str(default_root() / "matplotlib"))  # the list of fonts; otherwise at home

app = typer.Typer(
    name="gyges",
    help="A testbed for alignment faking in RL. Organisms are built to fake: nothing here is evidence of emergence.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
for commands in (train, report, sweep, explore):
    app.add_typer(commands.app)
app.add_typer(organism.app, name="organism")
app.add_typer(model.app, name="model")
app.add_typer(labels.app, name="labels")
app.add_typer(config.app, name="config")

# Errors of the system about an unusable path: the input was wrong, the run didn't fail.
WRONG_PATH = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY,
    errno.ENAMETOOLONG, errno.ELOOP,
}  # fmt: skip


def main() -> None:
    """Run a command, and turn an error into one line and an exit code."""
    take_any_encoding()
    for category in (UserWarning, FutureWarning):
        warnings.filterwarnings("ignore", category=category, module=r"torch\.|transformers\.|trl\.|accelerate\.")
    # Outside a run SIGTERM unwinds like Ctrl-C, so that half-made files are cleared away.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(_run())


def _run() -> int:
    try:
        app()  # exits through sys.exit after usage errors and, with 130, after Ctrl-C; our own errors pass through
    except SystemExit as leave:
        code = leave.code if isinstance(leave.code, int) else FAILED
        return fail("interrupted", INTERRUPTED) if code == INTERRUPTED else code
    except (KeyboardInterrupt, EOFError):
        return fail("interrupted", INTERRUPTED)
    except ValueError as error:
        return fail(str(error), WRONG_INPUT)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return fail(
                f"no space left to write ({error}): free some; a run that was started goes on with `gyges resume`",
                FAILED,
            )
        if error.errno in WRONG_PATH:
            return fail(f"{error}: make it writable, or choose another path", WRONG_INPUT)
        return fail(str(error), FAILED)
    except Exception as error:  # noqa: BLE001 - reports the known errors and raises the others again
        return _known_failure(error)
    return 0


def _known_failure(error: Exception) -> int:
    """Report an error of a run or a build; raise any other error again, with its traceback."""
    if isinstance(error, Interrupted):
        return fail(str(error), INTERRUPTED)
    if isinstance(error, BuildFailed):
        reason, *table = str(error).split("\n")
        code = fail(reason, FAILED)
        for line in table:
            say(line)
        return code
    if isinstance(error, RunStopped):
        return fail(str(error), FAILED)
    raise error
