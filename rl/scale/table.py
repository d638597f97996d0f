"""The display of a working sweep: a live table of its trials, or a line for each event without a terminal.

Figures are read from the run folders, so that every backend looks alike.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from reports.study.latest import Latest, read_latest
from reports.terminal_text import printable
from rl.scale.job_queue import Event
from rl.scale.trial import Outcome, Trial

Clock = Callable[[], float]
# Active trials come first, so that a terminal with too few lines shows them.
ORDER = ("running", "put back", "failed", "building", "waiting", "interrupted", "finished")
TO_COME = ("running", "put back", "building", "waiting")
STYLE = {"running": "cyan", "failed": "red", "put back": "yellow", "finished": "green"}


@dataclass
class Standing:
    """A job as the driver knows it.

    The time left rests on the speed since `since`, when the job was at `from_step`.
    """

    state: str = "waiting"
    reason: str | None = None
    since: float = 0.0
    from_step: int = 0


@dataclass
class Board:
    """The states of trials and builds; the queue reports them, the table draws them."""

    trials: Sequence[Trial]
    needs: Mapping[str, Sequence[str]]  # pending trial -> the keys of its builds
    known: Mapping[str, Outcome]  # trials that ended before this call
    clock: Clock = time.monotonic
    standings: dict[str, Standing] = field(init=False)
    first_steps: int = field(init=False)
    started: float | None = None  # when the first trial started

    def __post_init__(self) -> None:
        keys = {key for needed in self.needs.values() for key in needed}
        self.standings = {key: Standing() for key in (*keys, *(trial.name for trial in self.trials))}
        for name, outcome in self.known.items():
            self.standings[name] = Standing(outcome.status, outcome.reason)
        self.first_steps = sum(read_latest(trial.folder).step for trial in self.trials)

    def state(self, trial: Trial) -> str:
        """Return the trial's state as shown.

        A trial that waits for a build is "building".
        """
        state = self.standings[trial.name].state
        unbuilt = any(self.standings[key].state != "finished" for key in self.needs.get(trial.name, ()))
        return "building" if state == "waiting" and unbuilt else state

    def told(self, key: str, event: Event, reason: str | None) -> None:
        now = self.clock()
        trial = next((trial for trial in self.trials if trial.name == key), None)
        step = read_latest(trial.folder).step if trial else 0
        if trial is not None and event == "running" and self.started is None:
            self.started = now
        self.standings[key] = Standing(event, reason, now, step)


@contextmanager
def shown(board: Board) -> Iterator[Callable[[str, Event, str | None], None]]:
    """Show the board on the standard error while the block lasts; yield a function that takes each event."""
    console = Console(stderr=True)

    def told(key: str, event: Event, reason: str | None) -> None:
        board.told(key, event, reason)
        if not console.is_terminal or event in ("failed", "put back"):
            line = printable(f"{key}: {event}{f' ({reason})' if reason else ''}")
            console.print(line, markup=False, highlight=False, soft_wrap=True)

    if not console.is_terminal:
        yield told
        return
    lines = max(3, console.height - 6)
    with Live(console=console, get_renderable=lambda: table(board, lines), refresh_per_second=1):
        yield told


def table(board: Board, lines: int) -> Group:
    """Render at most `lines` trials and, below, a line about all."""
    latest = {trial.name: read_latest(trial.folder) for trial in board.trials}
    drawn = Table(box=None, header_style="dim", padding=(0, 1))
    for name in ("trial", "seed", "state"):
        drawn.add_column(name, no_wrap=True)
    for name in ("step", "faking", "gap", "left"):
        drawn.add_column(name, justify="right", no_wrap=True)
    by_urgency = sorted(board.trials, key=lambda trial: ORDER.index(board.state(trial)))
    kept = {trial.name for trial in by_urgency[:lines]}
    for trial in board.trials:
        if trial.name in kept:
            drawn.add_row(*_cells(board, trial, latest[trial.name]), style=STYLE.get(board.state(trial)))
    return Group(drawn, Text(f" {_footer(board, latest)}", style="dim"))


def _cells(board: Board, trial: Trial, at: Latest) -> tuple[str, ...]:
    left = seconds_left(board.standings[trial.name], at.step, trial.config.steps, board.clock())
    return (
        escape(printable(trial.config.name)),
        str(trial.config.seed),
        board.state(trial),
        f"{at.step}/{trial.config.steps}",
        _share(at.faking_rate),
        _share(at.compliance_gap, signed=True),
        duration(left),
    )


def _footer(board: Board, latest: Mapping[str, Latest]) -> str:
    states = [board.state(trial) for trial in board.trials]
    parts = [f"{states.count('finished')} of {len(states)} trials finished"]
    if failed := states.count("failed"):
        parts.append(f"{failed} failed")
    for key in sorted({key for needed in board.needs.values() for key in needed}):
        if board.standings[key].state == "running":
            since = duration(board.clock() - board.standings[key].since)
            parts.append(f"building {key.rpartition(' ')[0]}, {since} so far")
    if set(states) & set(TO_COME):
        parts.append(f"time left {duration(whole_left(board, latest))}")
    return " · ".join(parts)


def seconds_left(standing: Standing, step: int, steps: int, now: float) -> float | None:
    """Estimate the time left of a job at the speed of this session, in seconds.

    None before its first step, and for a job that isn't running.
    """
    if standing.state != "running" or step <= standing.from_step:
        return None
    return (steps - step) * (now - standing.since) / (step - standing.from_step)


def whole_left(board: Board, latest: Mapping[str, Latest]) -> float | None:
    """Estimate the time left of all trials that have not failed, in seconds.

    The speed is that of all trials together since the first of them began. None before the first step.
    """
    done = sum(at.step for at in latest.values()) - board.first_steps
    if board.started is None or done <= 0:
        return None
    left = sum(trial.config.steps - latest[trial.name].step for trial in board.trials if board.state(trial) in TO_COME)
    return left * (board.clock() - board.started) / done


def duration(seconds: float | None) -> str:
    """Format seconds as `1:02:03` or `2:03`; "-" for None."""
    if seconds is None:
        return "-"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def _share(value: float | None, signed: bool = False) -> str:
    return "-" if value is None else f"{value:+.2f}" if signed else f"{value:.2f}"
