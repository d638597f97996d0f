"""Progress on the standard error: bars where it is a terminal, plain lines where it isn't; and notices."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from reports.terminal_text import printable

Update = Callable[[int, int], None]
Clock = Callable[[], float]

BETWEEN_LINES_S = 30.0
LONGEST_SILENCE_S = 300.0  # of a stage with a line every so many steps: a step of a large model takes minutes


@contextmanager
def bar(
    description: str, every: int | None = None, brief: bool = False, clock: Clock = time.monotonic
) -> Iterator[Update]:
    """Show the progress of a stage while the block runs; yields `update(done, total)`.

    A terminal shows a bar. Elsewhere, as under `nohup` or in a container, lines say when the stage starts, how far it
    is and when it ends: at most one line in 30 s, or, for a stage that counts steps, one line `every` so many steps.
    A `brief` stage, of seconds, has no lines.
    """
    console = Console(stderr=True)
    shown: AbstractContextManager[Update]
    if console.is_terminal:
        shown = _drawn(description, console)
    else:
        shown = nullcontext(_unseen) if brief else _written(Lines(description, every, clock))
    with shown as update:
        yield update


def _unseen(done: int, total: int) -> None:
    """Take the progress of a brief stage, which nobody waits for."""


@contextmanager
def _drawn(description: str, console: Console) -> Iterator[Update]:
    progress = Progress(
        TextColumn("{task.description:<28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
    with progress:
        task = progress.add_task(description, total=None)

        def update(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield update


@contextmanager
def _written(lines: "Lines") -> Iterator[Update]:
    notice(lines.first())

    def update(done: int, total: int) -> None:
        line = lines.between(done, total)
        if line is not None:
            notice(line)

    try:
        yield update
    except BaseException:
        notice(lines.last("stopped"))
        raise
    notice(lines.last("done"))


@dataclass
class Lines:
    """Wording of a stage's progress, and the choice of the moments at which a line is due."""

    description: str
    every: int | None
    clock: Clock
    started: float = field(init=False)
    spoken: float = field(init=False)  # the time of the last line
    first_seen: tuple[float, int] | None = field(default=None, init=False)  # a run that is resumed begins at its step

    def __post_init__(self) -> None:
        self.started = self.spoken = self.clock()

    def first(self) -> str:
        return f"{self.description}: started"

    def between(self, done: int, total: int) -> str | None:
        """Return the line that is due now; None where none is."""
        now = self.clock()
        if self.first_seen is None:
            self.first_seen = (now, done)
        if not self._due(done, total, now):
            return None
        self.spoken = now
        counted = f"step {done} of {total}" if self.every else f"{done} of {total}"
        left = self._seconds_left(done, total, now)
        to_go = "" if left is None else f", about {duration(left)} to go"
        return f"{self.description}: {counted}, {duration(now - self.started)} so far{to_go}"

    def _due(self, done: int, total: int, now: float) -> bool:
        silence = now - self.spoken
        if done >= total:
            return False  # the last line follows
        if self.every is None:
            return silence >= BETWEEN_LINES_S
        assert self.first_seen is not None
        return silence >= LONGEST_SILENCE_S or (done % self.every == 0 and done > self.first_seen[1])

    def _seconds_left(self, done: int, total: int, now: float) -> float | None:
        """Return the time that the rest takes at the speed since the first update; None before there is a speed."""
        assert self.first_seen is not None
        since, from_done = self.first_seen
        return (total - done) * (now - since) / (done - from_done) if done > from_done else None

    def last(self, how: str) -> str:
        return f"{self.description}: {how} after {duration(self.clock() - self.started)}"


def duration(seconds: float) -> str:
    """Word a time in two units at most: `45 s`, `1 min 12 s`, `2 h 5 min`; whole minutes from ten of them on."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def notice(text: str) -> None:
    """Write a line that the user should know and need not act on."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"gyges: {printable(text)}", markup=False)


def counting(update: Update, total: int) -> Callable[[int], None]:
    """Return a function that is told of so many more that are done."""
    done = 0

    def more(n: int) -> None:
        nonlocal done
        done += n
        update(done, total)

    return more
