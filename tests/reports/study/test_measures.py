"""What mitigations noted of training rollouts: which steps count, over which seeds, and where it stands."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from reports.folder import read_run
from reports.study.cells import BASELINE, Study, study_of
from reports.study.measures import Noted, noted_measures
from reports.study.study import write_study
from tests.reports.conftest import manifest, step_row

HEADING = "What mitigations noted of training rollouts"
LIES, RECALL = "interrogation/lies", "monitor/words/recall"
ATTACK = "<script>alert(1)</script>"


def write(folder: Path, arm: str, seed: int, noted: Mapping[str, Sequence[float | None]], steps: int = 8) -> Path:
    """A run of so many steps, of which it notes these values from step 1 on, and nothing once they end."""
    run = folder / f"{arm}-{seed}"
    run.mkdir(parents=True)
    mitigations = [] if arm == BASELINE else [{"kind": arm}]
    config = {"name": f"faker+{arm}", "seed": seed, "organism": {"kind": "faker"}, "mitigations": mitigations}
    (run / "config.json").write_text(json.dumps(config))
    (run / "manifest.json").write_text(manifest(seed, organism="faker").model_dump_json())
    rng = np.random.default_rng(seed)
    rows = [
        step_row(step, seed, rng).model_copy(
            update={"measures": {name: values[step - 1] for name, values in noted.items() if step <= len(values)}}
        )
        for step in range(1, steps + 1)
    ]
    (run / "steps.jsonl").write_text("".join(row.to_json_line() + "\n" for row in rows))
    return run


def read(*folders: Path) -> Study:
    return study_of([read_run(folder) for folder in folders])


def of(found: Sequence[Noted], measure: str) -> Noted:
    [noted] = [noted for noted in found if noted.measure == measure]
    return noted


def test_the_first_and_the_last_quarter_are_means_over_seeds_of_means_over_steps(tmp_path: Path) -> None:
    baseline = write(tmp_path, BASELINE, 0, {})
    # A quarter of 8 steps is 2. Lies first: 0.1, 0.2 and 0.3 in the three seeds; last: 0.7, 0.8 and 0.9.
    middle = [9.0] * 4
    arm = [
        write(tmp_path, "asked", seed, {
            LIES: [own / 10 - 0.05, own / 10 + 0.05, *middle, 0.6 + own / 10, 0.6 + own / 10],
            # Undefined where nothing was to be found: left out, and so is a seed that has no step with it.
            RECALL: [0.5, None if seed else 0.7, *middle, None, None if seed == 2 else 0.4 + seed / 10],
        })
        for seed, own in enumerate((1, 2, 3))
    ]  # fmt: skip
    found = noted_measures(read(baseline, *arm))
    assert [(noted.cell.arm, noted.measure) for noted in found] == [("asked", LIES), ("asked", RECALL)]
    lies, recall = of(found, LIES), of(found, RECALL)
    assert (lies.beginning.first, lies.beginning.last, lies.end.first, lies.end.last) == (1, 2, 7, 8)
    assert (lies.beginning.level.value, lies.end.level.value) == (pytest.approx(0.2), pytest.approx(0.8))
    # Student's t with 2 degrees of freedom: 4.302653 standard errors of 0.1 / sqrt(3), 0.248414.
    assert lies.end.level.ci_low == pytest.approx(0.8 - 0.248414, abs=1e-6)
    assert (lies.end.level.n, lies.end.level.unscored) == (3, 0)
    assert recall.beginning.level.value == pytest.approx((0.6 + 0.5 + 0.5) / 3)
    assert recall.end.level.value == pytest.approx(0.45)  # 0.4 and 0.5
    assert (recall.end.level.n, recall.end.level.unscored) == (2, 1)


def test_the_last_quarter_ends_where_the_slowest_seed_is(tmp_path: Path) -> None:
    values = [0.1 * step for step in range(8)]
    arm = [write(tmp_path, "asked", seed, {LIES: values}, steps=4 if seed else 8) for seed in (0, 1)]
    begun = write(tmp_path, "asked", 2, {}, steps=0)
    [noted] = noted_measures(read(*arm, begun))
    assert (noted.beginning.first, noted.beginning.last, noted.end.first, noted.end.last) == (1, 1, 4, 4)
    assert noted.end.level.value == pytest.approx(0.3)
    assert (noted.end.level.n, noted.end.level.unscored) == (2, 1)
    # A single step is the first quarter and the last.
    [noted] = noted_measures(read(write(tmp_path / "one", "asked", 0, {LIES: [0.4]}, steps=1)))
    assert (noted.beginning.first, noted.end.last, noted.end.level.value) == (1, 1, 0.4)


def test_the_page_and_the_csv_list_what_was_noted_escaped(tmp_path: Path) -> None:
    values = {LIES: [0.25, 0.5], ATTACK: [None, 1.0]}
    arm = [write(tmp_path, "asked", seed, values if seed else {LIES: [0.15, 0.5]}, steps=2) for seed in (0, 1)]
    paths = write_study([write(tmp_path, BASELINE, 0, {}), *arm], tmp_path / "out")
    page = paths.page.read_text()
    assert page.index("<h2>Last step") < page.index(f"<h2>{HEADING}</h2>") < page.index("<h2>Provenance</h2>")
    assert "<details open><summary>faker: 2 measures</summary>" in page
    assert f"<td>{LIES}</td>" in page
    assert "<td>0.20 [" in page
    assert "<td>0.50<br><small>step 2</small></td>" in page  # both seeds
    assert "<td>1.00<br><small>step 2 · 1 of 2 scored</small></td>" in page
    assert "<td>-<br><small>step 1</small></td>" in page
    assert "<script>alert" not in page
    assert "<td>&lt;script&gt;alert(1)&lt;/script&gt;</td>" in page
    with paths.measures.open() as file:
        lines = list(csv.DictReader(file))
    assert [(line["arm"], line["mitigations"], line["seeds"], line["measure"]) for line in lines] == [
        ("asked", "asked", "0 1", LIES), ("asked", "asked", "0 1", ATTACK),
    ]  # fmt: skip
    lies, other = lines
    assert (float(lies["first"]), lies["first_scored_units"]) == (pytest.approx(0.2), "2")
    assert (lies["last"], lies["last_ci_low"], lies["last_ci_high"]) == ("0.5", "", "")  # they agree
    assert (lies["first_from_step"], lies["last_to_step"]) == ("1", "2")
    assert (other["first"], other["first_scored_units"], other["last_scored_units"]) == ("", "0", "1")


def test_measures_that_rest_on_labels_name_their_instrument(tmp_path: Path) -> None:
    for name, told in ((RECALL, True), ("interrogation/false_denial", True), (LIES, False), ("monitor/recall", False)):
        run = write(tmp_path / name, "asked", 0, {name: [0.5]}, steps=1)
        page = write_study([run], tmp_path / name / "out").page.read_text()
        assert ("the quality of monitors rest on labels: oracle." in page) is told


def test_many_measures_are_folded_away_and_none_leave_no_section(tmp_path: Path) -> None:
    many = write(tmp_path, "asked", 0, {f"monitor/{number}": [0.5] for number in range(13)}, steps=1)
    page = write_study([many], tmp_path / "many").page.read_text()
    assert "<details><summary>faker: 13 measures</summary>" in page
    paths = write_study([write(tmp_path, BASELINE, 0, {})], tmp_path / "none")
    assert HEADING not in paths.page.read_text()
    assert len(paths.measures.read_text().splitlines()) == 1
