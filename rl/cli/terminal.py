"""Lines of commands on the terminal, in any encoding, and exit codes."""

import io
import sys

from reports.terminal_text import printable

FAILED, WRONG_INPUT, INTERRUPTED = 1, 2, 130


def say(text: str) -> None:
    """Write one line to the standard error, with control characters escaped."""
    print(printable(text), file=sys.stderr)


def fail(message: str, code: int) -> int:
    """Write an error as one line to the standard error, and return the exit code."""
    say(f"gyges: {message}")
    return code


def show(*lines: str) -> None:
    """Write each text as one line to the standard output."""
    for line in lines:
        print(printable(line))


def take_any_encoding() -> None:
    """Escape characters outside the encoding of the output streams, and accept any byte on the input stream."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
