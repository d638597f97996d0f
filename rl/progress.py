"""Progress bars on the standard error, and nothing at all where that isn't a terminal; notices always."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from reports.terminal_text import printable

Update = Callable[[int, int], None]


@contextmanager
def bar(description: str) -> Iterator[Update]:
    """Shows a bar while the block runs; yields `update(done, total)`."""
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description:<28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with progress:
        task = progress.add_task(description, total=None)

        def update(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield update


def notice(text: str) -> None:
    """Says what the user should know and need not act on."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"gyges: {printable(text)}", markup=False)


def counting(update: Update, total: int) -> Callable[[int], None]:
    """A function that is told of so many more that are done."""
    done = 0

    def more(n: int) -> None:
        nonlocal done
        done += n
        update(done, total)

    return more
