"""Lines that commands write to the terminal, in whatever encoding it has, and exit codes."""

import io
import sys

from reports.terminal_text import printable

FAILED, WRONG_INPUT, INTERRUPTED = 1, 2, 130


def say(text: str) -> None:
    """Write one line to the standard error, whatever it names."""
    print(printable(text), file=sys.stderr)


def fail(message: str, code: int) -> int:
    """Write an error's one line; returns the exit code."""
    say(f"gyges: {message}")
    return code


def show(*lines: str) -> None:
    """Write lines to the standard output, each of them one."""
    for line in lines:
        print(printable(line))


def take_any_encoding() -> None:
    """Let the standard streams show a character that their encoding lacks by its number, and read any byte."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
