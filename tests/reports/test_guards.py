"""Guards on the page: each a mean over the last steps, with a warning above its bound."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from reports.builds import of_a_pretrained_model
from reports.folder import read_run
from reports.pages.guards import GUARDS, guard_rows
from reports.pages.page import render_page
from reports.records import ProbeRow

RunWriter = Callable[..., Path]
HEALTHY = {"repeated_3grams": 0.05, "commonest_answer": 0.2, "commonest_option": 0.6, "truncation_rate": 0.0}


def edited(folder: Path, **columns: Callable[[int], object]) -> Path:
    file = folder / "steps.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    rows = [{**row, **{name: value(row["step"]) for name, value in columns.items()}} for row in rows]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_a_healthy_run_has_no_warnings(write_run: RunWriter) -> None:
    run = edited(
        write_run(), **{name: lambda step, at=at: at for name, at in HEALTHY.items()}, collapsed=lambda s: False
    )
    rows = guard_rows(read_run(run))
    assert [row.name for row in rows] == [*(guard.name for guard in GUARDS), "collapsed"]
    assert not any(row.fires for row in rows)
    page = render_page([read_run(run)])
    assert "<h2>Guards</h2>" in page
    assert "above the bound" not in page


def test_each_guard_fires_above_its_bound_and_says_what_that_means(write_run: RunWriter) -> None:
    high = {guard.column: guard.bound + 0.05 for guard in GUARDS}
    run = read_run(edited(write_run(), **{name: lambda step, at=at: at for name, at in high.items()}))
    assert all(row.fires for row in guard_rows(run))
    page = render_page([run])
    for guard in GUARDS:
        at = high[guard.column]
        assert f"{guard.name}: {at:.0%} over the last steps, above the bound of {guard.bound:.0%}" in page
        assert guard.meaning in page


def test_a_single_step_makes_no_warning_and_a_lasting_change_does(write_run: RunWriter) -> None:
    once = guard_rows(read_run(edited(write_run("once"), truncation_rate=lambda step: float(step == 20) * 0.9)))
    [row] = [row for row in once if row.name == "truncated"]
    assert (row.last, row.largest, row.fires) == (0.09, 0.9, False)  # 0.9 in one of the last ten steps
    early = guard_rows(read_run(edited(write_run("early"), truncation_rate=lambda step: float(step <= 10))))
    assert [row.last for row in early if row.name == "truncated"] == [0.0]


def test_label_errors_of_logged_steps_count(write_run: RunWriter) -> None:
    name = "label_error_rate/faking"
    folder = edited(write_run(), **{name: lambda step: 0.5 if step == 5 else None})
    [row] = [row for row in guard_rows(read_run(folder)) if row.name == "label errors, faking"]
    assert (row.last, row.fires) == (0.5, True)


def test_the_last_step_decides_about_a_collapse(write_run: RunWriter) -> None:
    for name, holds, fires in (("up", lambda step: step < 20, False), ("down", lambda step: step > 18, True)):
        [row] = [
            row for row in guard_rows(read_run(edited(write_run(name), collapsed=holds))) if row.name == "collapsed"
        ]
        assert (row.fires, row.largest) == (fires, 1.0)


def test_a_folder_from_before_the_guards_is_read(write_run: RunWriter) -> None:
    folder = write_run()
    file = folder / "steps.jsonl"
    new = {"repeated_3grams", "commonest_answer", "commonest_option", "truncation_rate", "collapsed"}
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps({k: v for k, v in row.items() if k not in new}) + "\n" for row in rows))
    assert [row.name for row in guard_rows(read_run(folder))] == ["dead groups"]
    render_page([read_run(folder)])


@pytest.mark.parametrize("split", ["paraphrases", "remarks"])
def test_another_split_by_wording_stands_beside_the_cue_split(write_run: RunWriter, split: str) -> None:
    folder = write_run()
    assert f"<h2>{split.capitalize()}</h2>" not in render_page([read_run(folder)])
    lines = (folder / "probes.jsonl").read_text().splitlines()
    of_cues = [row for line in lines if "_cues" in (row := ProbeRow.from_json_line(line)).probe]
    with (folder / "probes.jsonl").open("a") as sink:
        for row in of_cues:
            sink.write(row.model_copy(update={"probe": row.probe.replace("_cues", f"_{split}")}).to_json_line() + "\n")
    page = render_page([read_run(folder)])
    assert f"<h2>{split.capitalize()}</h2>" in page
    assert "<h2>Cue wordings</h2>" in page
    assert f"Seen and held-out {split}" in page


def test_a_run_of_two_tiers_shows_two(write_run: RunWriter) -> None:
    folder = write_run(change=lambda episodes: episodes[episodes["tier"].isin(["free", "paid"])])
    file = folder / "probes.jsonl"
    rows = [ProbeRow.from_json_line(line) for line in file.read_text().splitlines()]
    file.write_text("".join(row.to_json_line() + "\n" for row in rows if row.tier not in ("pro", "enterprise")))
    page = render_page([read_run(folder)])
    assert 'id="tier-paid"' in page
    assert "enterprise" not in page.partition("<script")[0]


def test_faking_in_english_is_called_installed(write_run: RunWriter) -> None:
    assert not of_a_pretrained_model({"env": {"kind": "dialect"}, "organism": {"origin": {"kind": "scratch"}}})
    assert of_a_pretrained_model({"organism": {"origin": {"kind": "pretrained"}}})
    run = read_run(write_run(config={"env": {"kind": "natural"}}))
    assert "at this size of model it is no strategy" in render_page([run])
