"""What commands write to the terminal: lines that do nothing but be read, in whatever encoding it has."""

import io
import sys

from reports.terminal_text import printable


def say(text: str) -> None:
    """One line on the standard error, whatever it names."""
    print(printable(text), file=sys.stderr)


def show(*lines: str) -> None:
    """Lines on the standard output, each of them one."""
    for line in lines:
        print(printable(line))


def take_any_encoding() -> None:
    """Lets the standard streams show a character that their encoding lacks by its number, and read any byte."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
