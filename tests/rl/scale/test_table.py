"""The table on hand-made folders and a clock of its own."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from rl.run.config import RunConfig
from rl.scale.sweep import plan
from rl.scale.table import Board, Standing, duration, seconds_left, shown, table
from rl.scale.trial import Outcome, Trial


def write_steps(trial: Trial, *steps: int) -> None:
    trial.folder.mkdir(parents=True, exist_ok=True)
    (trial.folder / "steps.jsonl").write_text("".join(json.dumps({"step": step}) + "\n" for step in steps))


def probe(metric: str, tier: str | None, value: float, name: str = "probe") -> str:
    return json.dumps({"step": 0, "probe": name, "metric": metric, "tier": tier, "value": value}) + "\n"


def text(board: Board, lines: int = 20) -> list[str]:
    console = Console(width=100)
    with console.capture() as captured:
        console.print(table(board, lines))
    return [" ".join(line.split()) for line in captured.get().splitlines()]


@pytest.fixture
def trials(tmp_path: Path) -> tuple[Trial, ...]:
    return plan("s", [RunConfig(name="a", steps=10)], (0,), (0, 1, 2), 1, tmp_path).trials


def test_a_row_says_where_a_trial_stands_and_the_footer_where_all_do(trials: tuple[Trial, ...]) -> None:
    now = 100.0
    board = Board(trials, {trials[2].name: ["organism faker 12345678"]}, {}, clock=lambda: now)
    board.told("organism faker 12345678", "running", None)
    board.told(trials[0].name, "running", None)
    assert text(board)[1:4] == ["a 0 running 0/10 - - -", "a 1 waiting 0/10 - - -", "a 2 building 0/10 - - -"]
    now = 120.0
    write_steps(trials[0], 1, 2, 3, 4)
    (trials[0].folder / "probes.jsonl").write_text(
        probe("faking_rate", "free", 0.25)
        + probe("faking_rate", "paid", 0.5)
        + probe("compliance_gap", None, -0.125)
        + probe("faking_rate", "free", 0.75, "faking/held_out_cues")
    )
    # Four steps took 20 s: 6 more take 30 s, and the 26 of all three 130 s.
    assert text(board)[1] == "a 0 running 4/10 0.25 -0.12 0:30"
    assert text(board)[4] == "0 of 3 trials finished · building organism faker, 0:20 so far · time left 2:10"


def test_what_had_ended_before_counts_and_its_speed_does_not(trials: tuple[Trial, ...]) -> None:
    write_steps(trials[0], *range(1, 11))
    write_steps(trials[1], 1, 2)
    now = 0.0
    known = {trials[0].name: Outcome("finished"), trials[2].name: Outcome("failed", "no gradient")}
    board = Board(trials, {}, known, clock=lambda: now)
    board.told(trials[1].name, "running", None)
    now = 10.0
    write_steps(trials[1], 1, 2, 3, 4)
    assert text(board)[1:] == [
        "a 0 finished 10/10 - - -",
        "a 1 running 4/10 - - 0:30",
        "a 2 failed 0/10 - - -",
        "1 of 3 trials finished · 1 failed · time left 0:30",
    ]


def test_with_too_few_lines_those_that_move_are_shown(trials: tuple[Trial, ...]) -> None:
    board = Board(trials, {}, {trials[0].name: Outcome("finished")})
    board.told(trials[2].name, "running", None)
    assert [line.split()[:3] for line in text(board, lines=1)[1:2]] == [["a", "2", "running"]]
    assert text(board, lines=1)[2].startswith("1 of 3 trials finished")


def test_without_a_terminal_each_event_is_a_line(trials: tuple[Trial, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with shown(Board(trials, {}, {})) as tell:
        tell(trials[0].name, "running", None)
        tell(trials[0].name, "put back", "its worker died: [red]")
    name = trials[0].name
    assert capsys.readouterr().err.splitlines() == [f"{name}: running", f"{name}: put back (its worker died: [red])"]


def test_time_left_is_unknown_before_the_first_step_of_this_session() -> None:
    standing = Standing("running", None, since=10.0, from_step=4)
    assert seconds_left(standing, 4, 10, 20.0) is None
    assert seconds_left(standing, 5, 10, 20.0) == 50.0
    assert seconds_left(replace(standing, state="finished"), 5, 10, 20.0) is None


def test_durations() -> None:
    assert [duration(seconds) for seconds in (None, 0, 59.6, 3599, 3723)] == ["-", "0:00", "1:00", "59:59", "1:02:03"]
