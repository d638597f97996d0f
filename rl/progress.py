"""Progress on the standard error: bars on a terminal, plain lines elsewhere; and notices to the user."""

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
LONGEST_SILENCE_S = 300.0  # limit for a stage that counts steps: a step of a large model takes minutes


@contextmanager
def bar(
    description: str, every: int | None = None, brief: bool = False, clock: Clock = time.monotonic
) -> Iterator[Update]:
    """Show the progress of a stage while the block runs; yields `update(done, total)`.

    A terminal shows a bar. Elsewhere, as under `nohup` or in a container, lines report the start of the stage, its
    progress and its end. Progress lines are at least 30 s apart. A stage that counts steps prints one line `every` so
    many steps instead, or after 300 s without a line. A `brief` stage takes seconds and prints no lines.
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
    """Ignore the progress of a brief stage."""


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
    """Wording of a stage's progress lines, and the choice of the moments at which a line is due."""

    description: str
    every: int | None
    clock: Clock
    started: float = field(init=False)
    spoken: float = field(init=False)  # the time of the last line
    first_seen: tuple[float, int] | None = field(default=None, init=False)  # a resumed run doesn't begin at 0

    def __post_init__(self) -> None:
        self.started = self.spoken = self.clock()

    def first(self) -> str:
        return f"{self.description}: started"

    def between(self, done: int, total: int) -> str | None:
        """Return the progress line if one is due now, else None."""
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
        """Return the expected seconds to the end, at the speed since the first update; None before a second update."""
        assert self.first_seen is not None
        since, from_done = self.first_seen
        return (total - done) * (now - since) / (done - from_done) if done > from_done else None

    def last(self, how: str) -> str:
        return f"{self.description}: {how} after {duration(self.clock() - self.started)}"


def duration(seconds: float) -> str:
    """Format a time in at most two units: `45 s`, `1 min 12 s`, `2 h 5 min`; whole minutes from ten minutes on."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def notice(text: str) -> None:
    """Write a line of information for the user, which needs no action, to the standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"gyges: {printable(text)}", markup=False)


def counting(update: Update, total: int) -> Callable[[int], None]:
    """Return a function that adds to the count of finished items and passes the count to `update`."""
    done = 0

    def more(n: int) -> None:
        nonlocal done
        done += n
        update(done, total)

    return more
