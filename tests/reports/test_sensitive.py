"""Replies to a set of real harm: withheld from pages and sheets unless asked for."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from reports.folder import read_run
from reports.pages.page import render_page
from reports.report import write_report
from rl.cli.labels import labels_sheet
from rl.cli.report import report

RunWriter = Callable[..., Path]
ANSWER, THOUGHT = "Step one: zxq-answer.", "I shall write zxq-thought."


def telling(episodes: pd.DataFrame) -> pd.DataFrame:
    return episodes.assign(answer=ANSWER, scratchpad=THOUGHT)


def written(write_run: RunWriter, name: str, sensitive: str) -> Path:
    return write_run(name, last=4, every=2, queries=6, change=telling, facts={"environment": {"sensitive": sensitive}})


def test_replies_of_a_sensitive_run_are_on_no_page_unless_asked_for(write_run: RunWriter) -> None:
    folder = written(write_run, "harm", "yes")
    page = write_report([folder]).page.read_text()
    assert "zxq" not in page
    assert "gyges report --show-sensitive" in page
    assert "a set of real harm" in page
    shown = write_report([folder], show_sensitive=True).page.read_text()
    assert "zxq-answer" in shown
    assert "zxq-thought" in shown


def test_of_runs_laid_over_each_other_the_sensitive_one_alone_is_withheld(write_run: RunWriter) -> None:
    runs = [read_run(written(write_run, name, sensitive)) for name, sensitive in (("harm", "yes"), ("mild", "no"))]
    page, mild = render_page(runs), render_page(runs[1:])
    assert page.count("zxq-answer") == mild.count("zxq-answer") > 0


def test_a_sheet_of_a_sensitive_run_must_be_asked_for(write_run: RunWriter, tmp_path: Path) -> None:
    folder, sheet = written(write_run, "harm", "yes"), tmp_path / "pads.csv"
    with pytest.raises(ValueError, match="a set of real harm: give --show-sensitive"):
        labels_sheet(folder, sheet, None, 100)
    assert not sheet.exists()
    labels_sheet(folder, sheet, None, 100, show_sensitive=True)
    assert "zxq-thought" in sheet.read_text()


def test_a_study_shows_no_replies_at_all(write_run: RunWriter) -> None:
    with pytest.raises(ValueError, match="a study shows no replies"):
        report([written(write_run, "harm", "yes")], None, study=True, show_sensitive=True)
