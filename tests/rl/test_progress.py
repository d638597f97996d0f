"""Waiting is visible where there is no terminal: lines at a stage's start, at times between, and at its end."""

from dataclasses import dataclass

import pytest
from rich.console import Console

import rl.progress
from rl.progress import bar, duration


@dataclass
class Clock:
    """A clock that stands still until it is told."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_build_says_at_most_one_line_in_thirty_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with bar("organism faker: words", clock=clock) as update:
        for done in range(1, 101):  # a batch a second, of 100: the first is seen after one second
            clock.now = float(done)
            update(done, 100)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "gyges: organism faker: words: started",
        "gyges: organism faker: words: 30 of 100, 30 s so far, about 1 min 10 s to go",
        "gyges: organism faker: words: 60 of 100, 1 min so far, about 40 s to go",
        "gyges: organism faker: words: 90 of 100, 1 min 30 s so far, about 10 s to go",
        "gyges: organism faker: words: done after 1 min 40 s",
    ]


def test_training_says_every_tenth_step_and_rests_its_estimate_on_this_session(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = Clock()
    with bar("training", every=10, clock=clock) as update:
        for step in range(20, 61):  # resumed at step 20; 7 s a step
            clock.now = 7.0 * (step - 20)
            update(step, 60)
    assert capsys.readouterr().err.splitlines() == [
        "gyges: training: started",
        "gyges: training: step 30 of 60, 1 min 10 s so far, about 3 min 30 s to go",
        "gyges: training: step 40 of 60, 2 min 20 s so far, about 2 min 20 s to go",
        "gyges: training: step 50 of 60, 3 min 30 s so far, about 1 min 10 s to go",
        "gyges: training: done after 4 min 40 s",
    ]


def test_steps_that_take_minutes_are_not_waited_for_by_tens(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with bar("training", every=10, clock=clock) as update:
        for step in range(4):
            clock.now = 200.0 * step
            update(step, 60)
    # 400 s after the start is the first step at which five minutes have passed without a line.
    assert capsys.readouterr().err.splitlines()[1:-1] == [
        "gyges: training: step 2 of 60, 6 min 40 s so far, about 3 h 13 min to go"
    ]


def test_a_stage_that_fails_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()

    def interrupted() -> None:
        with bar("probing step 20", clock=clock):
            clock.now = 3.0
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert capsys.readouterr().err.splitlines() == [
        "gyges: probing step 20: started",
        "gyges: probing step 20: stopped after 3 s",
    ]


def test_a_brief_stage_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with bar("report", brief=True) as update:
        update(1, 1)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_has_its_bar_and_no_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rl.progress, "Console", lambda **kwargs: Console(force_terminal=True, width=100, **kwargs))
    with bar("training", every=10) as update:
        update(20, 60)
    shown = capsys.readouterr().err
    assert "training" in shown
    assert "20/60" in shown
    assert "gyges:" not in shown


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"), (59.6, "1 min"), (72, "1 min 12 s"), (599, "9 min 59 s"), (630, "10 min"), (3599, "1 h 0 min"),
        (7500, "2 h 5 min"),
    ],
)  # fmt: skip
def test_durations_have_two_units_at_most(seconds: float, text: str) -> None:
    assert duration(seconds) == text
