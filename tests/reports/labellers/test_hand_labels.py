"""Sheets of a run's scratchpads, and a reader's labels that correct the run's own rates."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from envs.labellers.labelled_texts import read_sheet
from reports.folder import Run, read_run
from reports.labellers.hand_labels import read_by_hand, readings_of, record_readings
from reports.labellers.read_labels import ANSWER, FAKING
from reports.labellers.reading_sheet import AnswerRow, as_file, read_episodes, reading_sheet, sheet_steps
from reports.pages.page import render_page
from reports.summary import summarise
from tests.reports.conftest import RunWriter


@pytest.fixture
def run(write_run: RunWriter) -> Run:
    return read_run(write_run(last=4, every=2, queries=30, facts={"label_validation": {"faking": "none"}}))


def truth_of(run: Run) -> dict[str, bool]:
    """What a reader of the written scratchpads says: the planted ones speak of being modified."""
    return {row.id: "I will be modified" in row.scratchpad for row in reading_sheet(run, sheet_steps(run), 30)}


def test_a_sheet_shows_scratchpads_of_both_ends_without_step_tier_or_label(run: Run) -> None:
    rows = reading_sheet(run, sheet_steps(run), 10)
    assert len({row.id for row in rows}) == len(rows) == 20
    table = list(csv.DictReader(io.StringIO(as_file(rows, Path("sheet.csv")))))
    assert list(table[0]) == ["id", "query", "scratchpad", "label"]
    assert {row["label"] for row in table} == {""}
    lines = as_file(rows, Path("sheet.jsonl")).splitlines()
    assert [json.loads(line)["id"] for line in lines] == [row["id"] for row in table]
    # The order tells nothing: the ids of neither step stand together.
    first = {row.id for row in reading_sheet(run, [0], 30)}
    assert len([row for row in rows if row.id in first]) == 10
    assert {row.id in first for row in rows[:10]} == {True, False}
    assert all("free tier" in row.scratchpad for row in rows)


def test_a_larger_sheet_contains_the_smaller_one(run: Run) -> None:
    small, large = (set(reading_sheet(run, [4], n)) for n in (5, 20))
    assert small < large
    assert len(reading_sheet(run, [4], 1000)) == 30


def test_readings_count_the_runs_labels_against_the_readers_by_step(run: Run) -> None:
    read: dict[str, bool | None] = dict(truth_of(run))
    labels = {step: read_episodes(run, step)["label_faking"].astype(bool) for step in (0, 4)}
    wrong = next(row.id for row in reading_sheet(run, [4], 30) if read[row.id])
    missing = next(row.id for row in reading_sheet(run, [0], 30) if not read[row.id])
    read[wrong], read[missing] = False, None
    found = read_by_hand(run, read, "sheet.csv", "0" * 64)
    yes, no = int(labels[4].sum()), int((~labels[4]).sum())
    last = found[4]
    assert (last.yes_right, last.yes, last.no_right, last.no, last.unscored) == (yes - 1, yes - 1, no, no + 1, 0)
    assert (found[0].n, found[0].unscored, found[0].no_right) == (29, 1, found[0].no)


def test_the_page_is_corrected_by_the_readings_of_its_own_steps(run: Run) -> None:
    assert "never validated" in " ".join(summarise(run).notices)
    found = read_by_hand(run, truth_of(run), "sheet.csv", "0" * 64)
    assert record_readings(run.path, {4: found[4]}) == run.path / FAKING.file
    [said] = summarise(run).notices
    assert "step 0 " in said
    assert "not read by hand, so not corrected; step 4 " in said
    record_readings(run.path, {0: found[0]})
    assert readings_of(run.path) == found
    [said] = summarise(run).notices
    assert said.count("corrected ") == 3  # in the first words, and at both steps
    assert f"sheet.csv, n {found[4].n})" in said
    assert "labels of faking read by hand, step 4" in render_page([run])


def test_labels_of_another_run_and_broken_readings_are_one_line(run: Run) -> None:
    with pytest.raises(ValueError, match="name the run that the sheet was written from"):
        read_by_hand(run, {"0" * 12: True}, "sheet.csv", "0" * 64)
    (run.path / FAKING.file).write_text('{"4": {"yes": "many"}}')
    with pytest.raises(ValueError, match="remove it, and validate the filled sheet again") as error:
        summarise(run)
    assert "\n" not in str(error.value)


def test_a_text_that_changed_takes_no_label_of_the_old_one(run: Run) -> None:
    read = truth_of(run)
    path = run.path / "episodes" / "step-000004.parquet"
    pd.read_parquet(path).assign(scratchpad="Other words.").to_parquet(path)
    with pytest.raises(ValueError, match=r"30 of 60 ids aren't scratchpads"):
        read_by_hand(run, read, "sheet.csv", "0" * 64)


def test_answers_read_by_hand_correct_the_refusal_rate_of_both_tiers(write_run: RunWriter) -> None:
    run = read_run(write_run(last=4, every=2, queries=30, facts={"label_validation": {"answer": "none"}}))
    assert "gyges labels sheet RUN --label answer" in " ".join(summarise(run).notices)
    rows = reading_sheet(run, sheet_steps(run), 60, ANSWER)
    assert len(rows) == 120
    assert all(isinstance(row, AnswerRow) and row.id.startswith("answer-") for row in rows)
    read = {row.id: row.answer.startswith("I won't") for row in rows if isinstance(row, AnswerRow)}
    found = read_by_hand(run, read, "answers.csv", "0" * 64, ANSWER)
    # A reader finds refusals among the answers that the run calls partial or other, and none among those that comply.
    labels = read_episodes(run, 4, ANSWER)["label_answer"]
    assert (found[4].yes_right, found[4].yes) == (int((labels == "refuse").sum()), int((labels != "comply").sum()))
    assert found[4].no_right == found[4].no
    assert record_readings(run.path, found, ANSWER) == run.path / ANSWER.file
    free, paid = summarise(run).notices
    assert free.startswith("refusal_rate on free as labelled, and corrected")
    assert paid.startswith("refusal_rate on paid as labelled, and corrected")
    assert "labels of refusal read by hand, step 4" in render_page([run])


def test_any_text_survives_the_sheet(write_run: RunWriter, tmp_path: Path) -> None:
    nasty = ['=1+1,"quoted"', "two\nlines\r\nand \r one", "\x00\u2028\x1b[31m", "", '"', "漢字 🙂"]

    def change(episodes: pd.DataFrame) -> pd.DataFrame:
        return episodes.assign(scratchpad=[nasty[index % len(nasty)] for index in range(len(episodes))])

    run = read_run(write_run(last=2, every=2, queries=8, change=change))
    rows = reading_sheet(run, sheet_steps(run))
    assert {row.scratchpad for row in rows} <= set(nasty)
    for name in ("sheet.csv", "sheet.jsonl"):
        filled = [replace(row, label=str(index % 2)) for index, row in enumerate(rows)]
        (tmp_path / name).write_bytes(as_file(filled, tmp_path / name).encode())
        assert read_sheet(tmp_path / name).labels == {row.id: row.label == "1" for row in filled}


def test_a_run_without_probes_has_no_sheet(write_run: RunWriter) -> None:
    folder = write_run(last=2, every=2, queries=4)
    for path in (folder / "episodes").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match="no probed episodes yet"):
        sheet_steps(read_run(folder))
