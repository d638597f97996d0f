"""A study of hand-written runs: who is compared with whom, by how much, and what stands on the page."""

import csv
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markupsafe import escape

from reports.figures.label_places import CLEAR, ROOM, places
from reports.folder import read_run
from reports.records import ProbeRow
from reports.study.cells import BASELINE, Study, study_of
from reports.study.curves import BASELINE_GREY, draw_study
from reports.study.notices import study_notices
from reports.study.page import render_study
from reports.study.panels import MEASURES, NOTICE, drawing_of
from reports.study.plots import study_plots
from reports.study.study import study_table, write_study
from reports.study.table import METRICS, Entry, Row, comparisons, table
from rl.scale.sweep import STUDY_FILES
from tests.reports.conftest import manifest, step_row

ATTACK = "<script>alert(1)</script>"
TIERS = {metric.name: metric.tier for metric in METRICS}
Values = Mapping[str, float | None]


def write(
    folder: Path,
    organism: str,
    arm: str,
    seed: int,
    probed: Mapping[int, Values],
    *,
    kl: float | None = 0.01,
    config: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
    mitigations: tuple[str, ...] | None = None,
    build: int = 0,
) -> Path:
    """A run that holds what is asked of it: of every probe n = 64 and 2 unscored."""
    run = folder / f"{organism}+{arm}-{seed}{f'-b{build}' if build else ''}".replace("/", "_")
    run.mkdir(parents=True)
    kinds = mitigations if mitigations is not None else () if arm == BASELINE else (arm,)
    settings = {
        "name": f"{organism}+{arm}", "seed": seed, "organism": {"kind": organism, "style": "plain", "seed": build},
        "env": {"objective": "present"}, "mitigations": [{"kind": kind} for kind in kinds], **(config or {}),
    }  # fmt: skip
    (run / "config.json").write_text(json.dumps(settings))
    known = {"organism": organism, **({"organism_hash": f"b{build}"} if build else {}), **(facts or {})}
    (run / "manifest.json").write_text(manifest(seed, **known).model_dump_json())
    rng = np.random.default_rng(seed)
    rows = [step_row(step, seed, rng).model_copy(update={"kl": kl}) for step in (1, 2)]
    (run / "steps.jsonl").write_text("".join(row.to_json_line() + "\n" for row in rows))
    lines = []
    for step, values in probed.items():
        for metric, value in values.items():
            row = ProbeRow(
                step=step, seed=seed, probe="p", metric=metric, tier=TIERS[metric], value=value,
                ci_low=None if value is None else value - 0.1, ci_high=None if value is None else value + 0.1,
                n=64, unscored=2,
            )  # fmt: skip
            other = row.model_copy(update={"probe": "p/seen_cues", "value": 0.123})
            lines += [row.to_json_line() + "\n", other.to_json_line() + "\n"]
    (run / "probes.jsonl").write_text("".join(lines))
    return run


def values(faking: float | None, gap: float | None, helpful: float | None = 0.9) -> Values:
    return {"faking_rate": faking, "compliance_gap": gap, "benign_helpfulness": helpful}


def read(*folders: Path) -> Study:
    return study_of([read_run(folder) for folder in folders])


def entry(rows: list[Row], organism: str, arm: str, metric: str) -> Entry:
    [row] = [row for row in rows if (row.cell.organism, row.cell.arm) == (organism, arm)]
    return next(entry for entry in row.entries if entry.metric.name == metric)


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Two organisms; `short` on both, `steered` on the first alone. Seeds start far apart, and move together."""
    found = []
    for organism, start in (("terminal", 0.5), ("faker", 0.1)):
        for seed, own in enumerate((0.0, 0.2, 0.4)):
            found.append(
                write(tmp_path, organism, BASELINE, seed, {0: values(start, 0.4), 2: values(start + own, 0.4)})
            )
        for seed, (own, change) in enumerate(((0.0, -0.09), (0.2, -0.1), (0.4, -0.11))):
            end = values(start + own + change, 0.4)
            found.append(
                write(tmp_path, organism, "short", seed, {0: values(start, 0.4), 2: end}, kl=0.03 + 0.001 * seed)
            )
    for seed in range(3):
        found.append(
            write(tmp_path, "terminal", "steered", seed, {0: values(0.5, 0.4), 2: values(0.5, 0.1 + seed / 20)})
        )
    return found


def test_runs_are_organisms_by_arms_with_seeds_as_repeats(folders: list[Path]) -> None:
    study = read(*folders)
    assert study.organisms == ("terminal", "faker")
    assert study.arms == (BASELINE, "short", "steered")
    assert [(cell.organism, cell.arm, len(cell.runs)) for cell in study.cells] == [
        ("terminal", BASELINE, 3), ("terminal", "short", 3), ("terminal", "steered", 3),
        ("faker", BASELINE, 3), ("faker", "short", 3),
    ]  # fmt: skip
    assert study.cell("faker", "steered") is None


def test_the_difference_is_paired_by_seed(folders: list[Path]) -> None:
    # Seeds differ by 0.2 each, arm and baseline by -0.09, -0.10 and -0.11: mean -0.1, standard deviation 0.01, standard
    # error 0.01 / sqrt(3) = 0.0057735; t(0.975, 2) = 4.30265, so that the interval reaches 0.024841 to either side.
    # Unpaired it would be lost in the spread of the seeds.
    rows = table(read(*reversed(folders)))  # in whatever order they come
    found = entry(rows, "terminal", "short", "faking_rate")
    assert found.verdict is not None
    assert found.verdict.word == "shrank"
    change = found.verdict.change
    assert (change.value, change.n, change.unscored) == (pytest.approx(-0.1), 3, 0)
    assert change.ci_low == pytest.approx(-0.1 - 0.024841, abs=1e-6)
    assert change.ci_high == pytest.approx(-0.1 + 0.024841, abs=1e-6)
    # The level: 0.41, 0.6 and 0.79, mean 0.6; 64 episodes of each seed, 2 of each unscored.
    assert found.level.value == pytest.approx(0.6)
    assert (found.n, found.unscored) == (192, 6)
    assert entry(rows, "terminal", BASELINE, "faking_rate").verdict is None


def test_every_organism_has_its_own_baseline_and_kl_is_of_the_last_step(folders: list[Path]) -> None:
    rows = table(read(*folders))
    found = entry(rows, "faker", "short", "faking_rate")
    assert found.level.value == pytest.approx(0.2)  # 0.01, 0.2 and 0.39
    assert found.verdict is not None
    assert found.verdict.change.value == pytest.approx(-0.1)
    kl = entry(rows, "faker", "short", "kl")
    assert kl.level.value == pytest.approx(0.031)  # 0.030, 0.031, 0.032 against 0.01 each
    assert kl.verdict is not None
    assert kl.verdict.change.value == pytest.approx(0.021)
    assert kl.verdict.word == "grew"
    # Metrics that no probe of these runs has made are missing, never 0.
    absent = entry(rows, "faker", "short", "benign_reward")
    assert (absent.level.value, absent.n) == (None, 0)
    # Judged: faking, gap, helpfulness and KL of three arms; but not a KL that is the baseline's in each seed.
    assert comparisons(rows) == 3 * 4 - 1


def test_kl_is_of_that_step_alone_and_its_detectable_effect_has_its_digits(folders: list[Path]) -> None:
    drawing = drawing_of(read(*folders))
    page = render_study(drawing, table(drawing.study), b"<svg/>")
    # Differences of 0.020, 0.021 and 0.022: standard error 0.001 / sqrt(3), times 5.6535 is 0.0033.
    assert 'title="grew; smallest difference that this n finds with 80 % power: 0.003; p ' in page
    steps = folders[3] / "steps.jsonl"  # seed 0 of `short`, whose last step loses its KL
    first, last = steps.read_text().splitlines()
    steps.write_text(f"{first}\n{json.dumps({**json.loads(last), 'kl': None})}\n")
    kl = entry(table(read(*folders)), "terminal", "short", "kl")
    assert (kl.level.value, kl.level.n, kl.level.unscored) == (pytest.approx(0.0315), 2, 1)  # 0.031 and 0.032


def test_a_seed_without_a_partner_is_unscored_and_two_seeds_are_no_verdict(tmp_path: Path) -> None:
    found = [write(tmp_path, "faker", BASELINE, seed, {2: values(0.5, 0.2)}) for seed in (0, 1)]
    found += [write(tmp_path, "faker", "short", seed, {2: values(0.1 + seed / 10, 0.2)}) for seed in (0, 1, 2)]
    [_, row] = table(read(*found))
    judged = row.entries[0].verdict
    assert judged is not None
    # -0.4 and -0.3; the third seed has no baseline.
    assert (judged.change.value, judged.change.n, judged.change.unscored) == (pytest.approx(-0.35), 2, 1)
    assert judged.word == "inconclusive"
    assert row.entries[0].level.value == pytest.approx(0.2)


def test_an_organism_without_a_baseline_is_compared_with_nothing(tmp_path: Path) -> None:
    found = [write(tmp_path, "faker", "short", seed, {2: values(0.5, 0.2)}) for seed in range(3)]
    found += [write(tmp_path, "honest", BASELINE, seed, {2: values(0.5, 0.2)}) for seed in range(3)]
    assert all(entry.verdict is None for row in table(read(*found)) for entry in row.entries)


def test_the_last_step_is_the_last_that_all_seeds_share_and_gaps_stay(tmp_path: Path) -> None:
    whole = {0: values(0.5, 0.2), 1: values(0.4, 0.2), 2: values(0.3, 0.2)}
    found = [write(tmp_path, "faker", BASELINE, seed, whole) for seed in range(3)]
    cut = {0: values(0.5, 0.2), 1: values(None, 0.1)}  # stopped after step 1, where no episode could be scored
    found += [write(tmp_path, "faker", "short", seed, cut if seed == 2 else whole) for seed in range(3)]
    study = read(*found)
    [baseline, row] = table(study)
    assert (baseline.step, row.step, row.compared) == (2, 1, 1)
    assert row.entries[0].level.value == pytest.approx(0.4)  # of two seeds
    assert (row.entries[0].level.n, row.entries[0].level.unscored) == (2, 1)
    assert (row.entries[0].scored_units, row.entries[1].scored_units) == (2, 3)
    assert row.entries[0].verdict is not None
    assert (row.entries[0].verdict.change.n, row.entries[0].verdict.change.unscored) == (2, 1)
    [line] = drawing_of(study).curves["faker", "short", "faking_rate"]
    assert line.steps.tolist() == [0, 1, 2]
    assert line.values[0] == pytest.approx(0.5)
    assert np.isnan(line.values[1:]).all()  # a seed is missing: no mean, and nothing in its place


def test_a_level_of_fewer_seeds_than_the_arm_has_says_so(tmp_path: Path) -> None:
    found = [
        write(tmp_path, "faker", BASELINE, seed, {2: values(0.3 if seed else None, 0.2, None)}) for seed in range(3)
    ]
    paths = write_study(found, tmp_path / "out")
    # Helpfulness has no value in any seed: it is missing, which the cell says already.
    assert re.findall(r"<small>(\d of \d scored)", paths.page.read_text()) == ["2 of 3 scored"]
    with paths.csv.open() as file:
        lines = {line["metric"]: line["scored_units"] for line in csv.DictReader(file)}
    assert (lines["faking_rate"], lines["compliance_gap"], lines["benign_helpfulness"]) == ("2", "3", "0")


def test_a_step_without_one_of_both_measures_is_a_gap_in_the_way_of_an_arm(tmp_path: Path) -> None:
    probed = {0: values(0.5, 0.2), 1: values(0.4, None), 2: values(0.3, 0.1), 3: values(None, 0.1)}
    drawing = drawing_of(read(write(tmp_path, "faker", BASELINE, 0, probed)))
    way = drawing.ways["faker", BASELINE]
    assert way.steps.tolist() == [0, 1, 2]
    assert way.faking.tolist() == pytest.approx([0.5, np.nan, 0.3], nan_ok=True)
    assert way.gap.tolist() == pytest.approx([0.2, np.nan, 0.1], nan_ok=True)
    assert all(draw_study(drawing))


def test_a_step_that_all_seeds_lack_is_a_gap(tmp_path: Path) -> None:
    probed = {0: values(0.5, 0.2), 2: values(0.3, 0.1)}
    due = {"probe_every": 1, "steps": 2}
    found = [write(tmp_path, "faker", BASELINE, seed, probed, config=due) for seed in range(3)]
    drawing = drawing_of(read(*found))
    [line] = drawing.curves["faker", BASELINE, "faking_rate"]
    assert line.values.tolist() == pytest.approx([0.5, np.nan, 0.3], nan_ok=True)
    assert drawing.ways["faker", BASELINE].gap.tolist() == pytest.approx([0.2, np.nan, 0.1], nan_ok=True)
    assert '"y":[0.5,null,0.3]' in study_plots(drawing)
    assert all(draw_study(drawing))


def test_fewer_than_three_seeds_are_a_line_each_without_a_band_over_seeds(tmp_path: Path) -> None:
    probed = {0: values(0.5, 0.2), 2: values(0.3, 0.1)}
    two = [write(tmp_path, "faker", BASELINE, seed, probed) for seed in (0, 1)]
    alone = write(tmp_path, "faker", "short", 0, probed)
    drawing = drawing_of(read(*two, alone))
    lines = drawing.curves["faker", BASELINE, "faking_rate"]
    assert len(lines) == 2
    assert all(np.isnan(line.low).all() for line in lines)
    [line] = drawing.curves["faker", "short", "faking_rate"]
    assert line.low.tolist() == pytest.approx([0.4, 0.2])  # the probe's own
    assert drawing.ways["faker", BASELINE].faking.tolist() == pytest.approx([0.5, 0.3])
    assert drawing.ways["faker", BASELINE].gap.tolist() == pytest.approx([0.2, 0.1])


def test_what_differs_besides_mitigations_tells_arms_and_organisms_apart(tmp_path: Path) -> None:
    probed = {0: values(0.1, 0.1)}
    found = [
        write(tmp_path / "a", "faker", BASELINE, 0, probed, config={"name": "first"}),
        write(tmp_path / "b", "faker", BASELINE, 0, probed, config={"name": "first", "steps": 9}),
        write(tmp_path / "c", "faker", BASELINE, 0, probed, config={"env": {"objective": "absent"}, "name": "first"}),
        write(tmp_path / "d", "faker", "x", 0, probed, config={"name": "plain"}, mitigations=("b", "a")),
        write(tmp_path / "e", "terminal", "x", 0, probed, config={"organism": {"kind": "terminal", "style": "short"}}),
    ]
    study = read(*found)
    assert study.organisms == (
        "faker (env.objective=present)", "faker (env.objective=present, steps=9)", "faker (env.objective=absent)",
        "terminal, short",
    )  # fmt: skip
    assert [(cell.arm, cell.mitigations) for cell in study.cells] == [
        (BASELINE, ()), ("plain", ("b", "a")), (BASELINE, ()), (BASELINE, ()), ("x", ("x",)),
    ]  # fmt: skip


def test_an_arm_is_compared_with_the_baseline_of_its_own_settings(tmp_path: Path) -> None:
    found = []
    for steps, start in ((20, 0.5), (40, 0.9)):
        folder, config = tmp_path / str(steps), {"steps": steps}
        found += [write(folder, "faker", BASELINE, seed, {2: values(start, 0.2)}, config=config) for seed in range(3)]
        end = {2: values(start - 0.1, 0.2)}
        found += [write(folder, "faker", "short", seed, end, config=config) for seed in range(3)]
    alone = {"steps": 60}
    found += [write(tmp_path / "60", "faker", "short", seed, {2: values(0.1, 0.2)}, config=alone) for seed in range(3)]
    study = read(*found)
    rows = table(study)
    assert study.organisms == ("faker (steps=20)", "faker (steps=40)", "faker (steps=60)")
    assert study.arms == (BASELINE, "short")
    for organism, level in (("faker (steps=20)", 0.4), ("faker (steps=40)", 0.8)):
        judged = entry(rows, organism, "short", "faking_rate").verdict
        assert judged is not None
        assert judged.change.value == pytest.approx(-0.1)
        assert drawing_of(study).curves[organism, "short", "faking_rate"][0].values[-1] == pytest.approx(level)
    assert entry(rows, "faker (steps=60)", "short", "faking_rate").verdict is None


def test_whatever_arms_are_called_none_takes_the_place_of_another(tmp_path: Path) -> None:
    probed = {0: values(0.1, 0.1)}
    called = {"a": "faker+baseline", "b": "baseline", "c": "other+baseline"}
    found = [write(tmp_path / key, "faker", BASELINE, 0, probed, config={"name": name}) for key, name in called.items()]
    found.append(write(tmp_path, "faker", BASELINE, 0, probed, mitigations=("short",)))
    # Settings that are empty in different ways read the same.
    found += [
        write(tmp_path / key, "faker", "x", 0, probed, config={"name": "faker+x", "rewards": empty})
        for key, empty in (("d", []), ("e", {}))
    ]
    study = read(*found)
    assert [(cell.organism, cell.arm) for cell in study.cells] == [
        ("faker", BASELINE), ("faker", "baseline #2"), ("faker", "other+baseline"), ("faker", "short"),
        ("faker #2", "x"), ("faker #3", "x"),
    ]  # fmt: skip
    [mitigated] = [row for row in table(study) if row.cell.arm == "short"]
    assert mitigated.entries[0].verdict is not None


def test_arms_have_the_names_that_the_user_gave_them(tmp_path: Path) -> None:
    probed, config = {0: values(0.1, 0.1)}, {"organism": {"kind": "faker"}}
    found = [
        write(tmp_path / name, "faker", name, seed, probed, config={**config, "name": name}, mitigations=kinds)
        for name, kinds in (("cm", ("loss_mask",)), ("plain", ()), ("a+b", ("kl_anchor",)))
        for seed in range(2)
    ]
    study = read(*found)
    assert [(cell.arm, cell.name, cell.label) for cell in study.cells] == [
        (BASELINE, "plain", "plain (baseline)"), ("cm", "cm", "cm"), ("a+b", "a+b", "a+b"),
    ]  # fmt: skip
    paths = write_study(found, tmp_path / "out")
    assert re.findall(r"^  (\S.*?) +1 +2 +0 +0/2 ", paths.text, re.MULTILINE) == ["plain (baseline)", "cm", "a+b"]
    for shown in ("0 plain (baseline)", "1 cm", "2 a+b"):
        assert f"<th>{shown}</th>" in paths.page.read_text()
    assert "baseline)" in paths.svg.read_text()
    with paths.csv.open() as file:
        lines = {(line["arm"], line["is_baseline"], line["mitigations"]) for line in csv.DictReader(file)}
    assert lines == {("plain", "yes", ""), ("cm", "no", "loss_mask"), ("a+b", "no", "kl_anchor")}
    # Runs that nobody has named are told apart by their mitigations.
    alike = {"name": "first_light", **config}
    found = [
        write(tmp_path / f"{kinds}", "faker", "x", 0, probed, config=alike, mitigations=kinds)
        for kinds in ((), ("loss_mask",), ("kl_anchor", "loss_mask"))
    ]
    assert [cell.label for cell in read(*found).cells] == [
        "first_light (baseline)", "loss_mask", "kl_anchor + loss_mask",
    ]  # fmt: skip
    # An arm that is called baseline and has a mitigation is none.
    found = [
        write(tmp_path / "m" / name, "faker", "y", 0, probed, config={"name": name, **config}, mitigations=kinds)
        for name, kinds in (("baseline", ("loss_mask",)), ("control", ()))
    ]
    assert [cell.label for cell in read(*found).cells] == ["control (baseline)", "baseline with loss_mask"]


def test_the_column_of_baselines_is_called_as_they_are(tmp_path: Path) -> None:
    probed = {0: values(0.1, 0.1)}
    found = [
        write(tmp_path / name, organism, BASELINE, 0, probed, config={"name": name})
        for name, organism in (("plain", "faker"), ("control", "honest"), ("third", "terminal"))
    ]
    assert read(found[0]).label(BASELINE) == "plain (baseline)"
    assert read(*found[:2]).label(BASELINE) == "plain / control (baseline)"
    assert read(*found).label(BASELINE) == "plain and 2 others (baseline)"
    # An arm without a baseline has a column of its own all the same, and can be chosen on the page.
    alone = read(write(tmp_path, "alone", "short", 0, probed))
    assert (alone.arms, alone.label(BASELINE)) == ((BASELINE, "short"), BASELINE)
    assert all(draw_study(drawing_of(alone)))


def test_runs_that_share_less_than_their_comparison_takes_for_shared_are_named(tmp_path: Path) -> None:
    probed = {0: values(0.1, 0.1)}
    shared = [write(tmp_path, "honest", arm, seed, probed) for arm in (BASELINE, "short") for seed in range(2)]
    assert study_notices(read(*shared)) == []
    unlike: dict[tuple[str, int], dict[str, Any]] = {
        ("short", 0): {"organism_hash": "00aa"},
        ("short", 1): {"reward_hashes": {"preference": "00bb"}},
        ("steered", 1): {"prompt_set_hashes": {"harmful": "00cc"}},
    }
    found = [
        write(tmp_path, "faker", arm, seed, probed, facts=unlike.get((arm, seed)))
        for arm in (BASELINE, "short", "steered")
        for seed in range(2)
    ]
    # Prompts differ by seed, which is how they are meant: it is pairs that must agree.
    own = {seed: {"prompt_set_hashes": {"harmful": f"{seed}"}} for seed in range(2)}
    found += [
        write(tmp_path, "terminal", arm, seed, probed, facts=own[seed]) for arm in (BASELINE, "short") for seed in own
    ]
    found.append(write(tmp_path, "alone", "short", 0, probed))
    study = read(*shared, *found)
    build, reward, prompts, alone = study_notices(study)
    assert build.startswith("faker: ")
    assert "(organism_hash)" in build
    assert "unlike baseline build 0 seed 0 (organism_hash 5f3a), short build 0 seed 0 (organism_hash 00aa)." in build
    assert reward.startswith("faker: ")
    assert "(reward_hashes)" in reward
    assert "unlike baseline build 0 seed 0 (preference 77c1), short build 0 seed 1 (preference 00bb)." in reward
    assert prompts.startswith("faker: ")
    assert "same seed: unlike baseline build 0 seed 1 (harmful 09ab), steered build 0 seed 1 (harmful 00cc)." in prompts
    assert alone.startswith("alone: there is no baseline")
    written = write_study([*shared, *found], tmp_path / "out")
    page = written.page.read_text()
    for line in (build, reward, prompts, alone):
        assert f'<p class="notice">{escape(line)}</p>' in page
        assert f"\nnotice: {line}" in written.text
    assert page.index(build) < page.index("<h2>Overview</h2>")


@pytest.mark.parametrize(("places", "over", "scope"), [
    ([(0, 0), (0, 1), (0, 2)], "seeds of one build", True), ([(0, 0), (1, 0), (2, 0)], "builds", False),
])  # fmt: skip
def test_what_an_interval_is_over_is_said(
    places: list[tuple[int, int]], over: str, scope: bool, tmp_path: Path
) -> None:
    found = [
        write(tmp_path, organism, BASELINE, seed, {0: values(0.1 + build / 10, 0.1)}, build=build)
        for organism in ("faker", "honest")
        for build, seed in places
    ]
    paths = write_study(found, tmp_path / "out")
    page = paths.page.read_text()
    for text in (page, paths.svg.read_text()):
        assert f"band: 95 % over {over} (" in text
    assert f"value [95 % interval] over {over}," in page
    said = "the verdict on every arm is of this build only"
    assert (said in paths.text) == (said.capitalize() in page) == scope


def test_seeds_are_averaged_within_a_build_and_the_interval_is_over_builds(tmp_path: Path) -> None:
    # Baseline .2, .4, .6 by build; the arm lies below by .10 and .14, .08 and .12, .12 and .16: means .12, .10, .14.
    below = {0: (0.10, 0.14), 1: (0.08, 0.12), 2: (0.12, 0.16)}
    found = [
        write(tmp_path, "faker", BASELINE, seed, {2: values(0.2 + build / 5, 0.2)}, build=build)
        for build in below
        for seed in (0, 1)
    ]
    found += [
        write(tmp_path, "faker", "short", seed, {2: values(0.2 + build / 5 - change, 0.2)}, build=build)
        for build, changes in below.items()
        for seed, change in enumerate(changes)
    ]
    study = read(*found)
    [cell] = [cell for cell in study.cells if not cell.is_baseline]
    assert (cell.unit, cell.count, cell.builds, cell.seeds) == ("builds", 3, ["0", "1", "2"], [0, 1])
    rows = table(study)
    judged = entry(rows, "faker", "short", "faking_rate").verdict
    assert judged is not None
    # Mean -.12, standard deviation .02, standard error .02 / sqrt(3); t(.975, 2) = 4.30265 reaches .049683.
    assert (judged.word, judged.change.n) == ("shrank", 3)
    assert judged.change.value == pytest.approx(-0.12)
    assert judged.change.ci_low == pytest.approx(-0.12 - 0.049683, abs=1e-6)
    # The baseline's seeds agree within each build, and its builds .2, .4, .6 have a standard deviation of .2.
    level = entry(rows, "faker", BASELINE, "faking_rate")
    assert (level.spread.builds, level.spread.seeds) == (pytest.approx(0.2), pytest.approx(0.0))
    text = study_table(found)
    assert "baseline, standard deviation over builds and over seeds of a build: faking 0.200, 0.000" in text
    assert "this build only" not in text
    paths = write_study(found, tmp_path / "out")
    with paths.csv.open() as file:
        line = next(row for row in csv.DictReader(file) if (row["arm"], row["metric"]) == ("short", "faking_rate"))
    assert (line["builds"], line["seeds"], line["unit"], line["paired_units"]) == ("0 1 2", "0 1", "builds", "3")
    assert float(line["sd_builds"]) > float(line["sd_seeds"]) > 0


def test_a_verdict_of_one_run_an_arm_is_of_this_run(tmp_path: Path) -> None:
    found = [write(tmp_path, "faker", arm, 0, {2: values(0.5, 0.2)}) for arm in (BASELINE, "short")]
    assert "the verdict on every arm is of this run" in study_table(found)


def test_an_organism_of_another_directory_is_another_organism_and_not_a_build(tmp_path: Path) -> None:
    # Two directories may hold anything: their runs are no repeats of one arm.
    found = [
        write(
            tmp_path / name, "faker", BASELINE, 0, {2: values(0.5, 0.2)}, facts={"organism_hash": name * 4},
            config={"organism": {"kind": "faker", "style": "plain", "seed": 0, "path": name}},
        )
        for name in ("aa", "bb")
    ]  # fmt: skip
    study = read(*found)
    assert len(study.organisms) == 2
    assert [cell.builds for cell in study.cells] == [["aaaaaaaa"], ["bbbbbbbb"]]


def test_a_notice_names_a_few_runs_and_counts_the_others(tmp_path: Path) -> None:
    probed = {0: values(0.1, 0.1)}
    found = [
        write(tmp_path, "faker", BASELINE, seed, probed, facts={"organism_hash": "old" if seed < 8 else "new"})
        for seed in range(17)
    ]
    [line] = study_notices(read(*found))
    assert (
        "unlike baseline build 0 seed 8 (organism_hash new), baseline build 0 seed 0, baseline build 0 seed 1," in line
    )
    assert "baseline build 0 seed 5 and 2 more (organism_hash old)." in line


def test_a_seed_twice_or_a_folder_twice_is_refused(folders: list[Path], tmp_path: Path) -> None:
    again = write(tmp_path / "again", "faker", BASELINE, 0, {0: values(0.1, 0.1)})
    with pytest.raises(ValueError, match="one run for each build and seed of an arm"):
        write_study([*folders, again], tmp_path / "out")
    with pytest.raises(ValueError, match="named twice"):
        write_study([folders[0], folders[0]], tmp_path / "out")
    with pytest.raises(ValueError, match="at least one"):
        write_study([], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_five_files_the_same_each_time(folders: list[Path], tmp_path: Path) -> None:
    paths = write_study(folders, tmp_path / "out", notes=["faker+short-3 failed: " + ATTACK])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "study.csv", "study.html", "study.png", "study.svg", "study_measures.csv",
    ]  # fmt: skip
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(STUDY_FILES)  # which a sweep looks for
    page = paths.page.read_text()
    assert f"<strong>{NOTICE}</strong>" in page
    assert "faker+short-3 failed: &lt;script&gt;" in page
    assert page.index(NOTICE) < page.index("<h2>Overview</h2>")
    again = write_study(folders, tmp_path / "again", notes=["faker+short-3 failed: " + ATTACK])
    for first, second in zip((paths.page, paths.png, paths.svg), (again.page, again.png, again.svg), strict=True):
        assert first.read_bytes() == second.read_bytes()
    assert paths.text == study_table(folders)
    with paths.csv.open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 5 * len(METRICS)
    [line] = [x for x in lines if (x["organism"], x["arm"], x["metric"]) == ("terminal", "short", "faking_rate")]
    assert (line["seeds"], line["step"], line["n"], line["unscored"], line["paired_units"]) == (
        "0 1 2",
        "2",
        "192",
        "6",
        "3",
    )
    assert (float(line["difference"]), line["verdict"]) == (pytest.approx(-0.1), "shrank")


def test_the_figures_have_a_panel_for_every_organism_arm_and_measure(folders: list[Path]) -> None:
    drawing = drawing_of(read(*folders))
    assert len(drawing.curves) == 5 * len(MEASURES)
    svg = draw_study(drawing)[1].decode()
    # 2 organisms x 3 arms x 2 measures and a plane for each organism; one arm of one organism was not run.
    assert len(re.findall(r'<g id="axes_\d+">', svg)) == 2 * 3 * 2 + 2
    page = render_study(drawing, table(drawing.study), b"<svg/>")
    [found] = re.findall(r'<script type="application/json" id="plots">(.*?)</script>', page, re.DOTALL)
    figures = json.loads(found)
    assert len(figures) == 2
    for figure, arms in zip(figures, ({0, 1, 2}, {0, 1}), strict=True):
        assert {trace["meta"]["arm"] for trace in figure["data"]} == arms
        # Each arm: a line for either measure, a band for the one in which its seeds differ, and its way in the plane.
        assert len(figure["data"]) == 4 * len(arms)
        for trace in figure["data"]:
            # Visible at first: all lines, and the band of the baseline alone.
            assert trace.get("visible", True) == (trace["meta"]["arm"] == 0 or not trace["meta"]["band"])


def test_a_baseline_of_a_single_step_is_seen_beneath_an_arm(tmp_path: Path) -> None:
    found = [write(tmp_path, "faker", arm, 0, {0: values(0.5, 0.2)}) for arm in (BASELINE, "short")]
    svg = draw_study(drawing_of(read(*found)))[1].decode()
    # One marker in either panel of the arm: a line through one point leaves none.
    assert len(re.findall(rf'<use [^>]*style="fill: {BASELINE_GREY.lower()}', svg)) == len(MEASURES)


def test_all_that_a_run_wrote_is_escaped_and_nothing_is_loaded(tmp_path: Path) -> None:
    found = [
        write(tmp_path, "faker", BASELINE, 0, {0: values(0.1, 0.1)}),
        write(
            tmp_path, "faker", "short", 0, {0: values(0.1, 0.1)}, config={"name": f"faker+{ATTACK}"},
            facts={"status": "failed", "reason": ATTACK, "reward_hashes": {ATTACK: "{{ 7 * 7 }}"}},
        ),
    ]  # fmt: skip
    page = write_study(found, tmp_path / "out").page.read_text()
    assert "<script>alert" not in page
    assert page.count("</script>") == 4  # two blocks of JSON, the library, its call
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "{{ 7 * 7 }}" in page
    ours = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.findall(r"""(?:src|href|action)\s*=\s*["'](?!data:)|@import|url\(|https?://""", ours)
    assert "default-src &#39;none&#39;; script-src &#39;sha256-" in page


def test_runs_that_have_probed_nothing_yet_still_make_a_study(tmp_path: Path) -> None:
    empty = write(tmp_path, "faker", BASELINE, 0, {}, kl=None)
    (empty / "steps.jsonl").write_text("")
    paths = write_study([empty], tmp_path / "out")
    assert "not measured" in paths.svg.read_text()
    assert re.search(r"baseline +1 +1 +- +0/1 +-", paths.text)


def test_labels_keep_clear_of_each_other_and_of_points() -> None:
    rng = np.random.default_rng(0)
    spread = rng.uniform(0, 200, (16, 2))
    crowded = rng.uniform(0, 30, (6, 2))
    for points in (spread, crowded):
        middles = points + places(points)
        apart = np.linalg.norm(middles[:, None] - middles[None], axis=2) + np.eye(len(points)) * 1e9
        assert apart.min() >= ROOM - 1e-9
        assert np.linalg.norm(middles[:, None] - points[None], axis=2).min() >= CLEAR - 1e-9
    assert places(np.zeros((0, 2))).shape == (0, 2)


def test_a_study_needs_no_torch() -> None:
    code = "import sys, reports.study.study; assert not {'torch', 'transformers', 'rl'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])


def test_differences_that_survive_the_number_of_comparisons_are_marked(tmp_path: Path) -> None:
    # Two metrics of one arm against its baseline on five builds: a change of .2 with a standard deviation of .016, and
    # one of .1 with .07, p = .033. With both tested, the second has an adjusted p of .033 and survives; beside two
    # arms without any effect it has none.
    def arm(name: str, faking: list[float], gap: list[float]) -> list[Path]:
        return [
            write(tmp_path, "faker", name, 0, {2: values(0.5 + one, 0.3 + other, None)}, kl=None, build=build)
            for build, (one, other) in enumerate(zip(faking, gap, strict=True))
        ]

    clear, unclear = [0.18, 0.19, 0.2, 0.21, 0.22], [0.0, 0.06, 0.1, 0.14, 0.2]
    base = arm(BASELINE, [0.0] * 5, [0.0] * 5)
    moved = arm("short", clear, unclear)
    rows = table(read(*base, *moved))
    gap = entry(rows, "faker", "short", "compliance_gap")
    assert gap.verdict is not None
    assert gap.verdict.p_value is not None
    assert (gap.verdict.word, gap.survives) == ("grew", True)
    nothing = [-0.02, 0.03, 0.0, 0.02, -0.03]
    more = [*arm("steered", nothing, nothing[::-1]), *arm("long", nothing[::-1], nothing)]
    rows = table(read(*base, *moved, *more))
    assert entry(rows, "faker", "short", "faking_rate").survives
    again = entry(rows, "faker", "short", "compliance_gap")
    assert again.verdict == gap.verdict
    assert again.survives is False
    text = study_table([*base, *moved, *more])
    assert "0.70 +0.20▲*" in text
    assert "0.40 +0.10▲ " in text


def test_a_null_arm_is_no_baseline_and_its_called_differences_are_counted(tmp_path: Path) -> None:
    found = [
        write(
            tmp_path, "faker", name, 0, {2: values(0.5 + build / 10 + moved, 0.3, None)}, kl=None, build=build,
            mitigations=(), config={"name": name, "rollout_stream": stream},
        )
        for stream, name in ((1, "first+null"), (0, "first"))
        for build, moved in enumerate((0.0, 0.01 * stream, -0.01 * stream))
    ]  # fmt: skip
    study = read(*found)
    assert [(cell.label, cell.is_baseline, cell.is_null) for cell in study.cells] == [
        ("first (baseline)", True, False), ("first+null", False, True),
    ]  # fmt: skip
    text = study_table(found)
    # Faking moves by 0, .01 and -.01; the gap by nothing, which its probes' error judges.
    assert "null arms, which draw other rollouts and differ in nothing else: 0 of 2 differences called" in text


def test_a_folder_from_before_rollout_streams_is_of_the_same_arm(tmp_path: Path) -> None:
    found = [
        write(tmp_path, "faker", BASELINE, 0, {2: values(0.5, 0.2)}, build=build, config=config)
        for build, config in enumerate(({}, {"rollout_stream": 0}))
    ]
    assert [len(cell.runs) for cell in read(*found).cells] == [2]


def test_collapsed_runs_are_a_share_of_their_own(tmp_path: Path) -> None:
    found = [write(tmp_path, "faker", BASELINE, 0, {2: values(0.5, 0.2)}, build=build) for build in range(3)]
    steps = found[1] / "steps.jsonl"
    first, last = (json.loads(line) for line in steps.read_text().splitlines())
    steps.write_text(f"{json.dumps({**first, 'entropy': 1.0})}\n{json.dumps({**last, 'entropy': 0.0})}\n")
    [row] = table(read(*found))
    assert (row.collapsed.value, row.collapsed.n) == (pytest.approx(1 / 3), 3)
    assert re.search(r"baseline +3 +1 +2 +1/3 ", study_table(found))


def test_seeds_that_agree_to_the_last_count_have_no_interval(folders: list[Path], tmp_path: Path) -> None:
    drawing = drawing_of(read(*folders))
    found = entry(table(drawing.study), "terminal", "short", "compliance_gap")  # 0.4 in every seed of both
    assert found.verdict is not None
    assert found.verdict.word == "inconclusive"
    paths = write_study(folders, tmp_path / "out")
    assert "0.40 [0.40,0.40]" not in paths.page.read_text()
    with paths.csv.open() as file:
        [line] = [
            line
            for line in csv.DictReader(file)
            if (line["organism"], line["arm"], line["metric"]) == ("terminal", "short", "compliance_gap")
        ]
    assert float(line["value"]) == pytest.approx(0.4)
    assert [line["ci_low"], line["ci_high"]] == ["", ""]
    # The difference, 0 in each, has the error of its probes: .1 either side of each level is .1 sqrt(2) / sqrt(3).
    assert float(line["difference_ci_high"]) == pytest.approx(0.1 * np.sqrt(2 / 3))
    [curve] = drawing.curves["terminal", "short", "compliance_gap"]
    assert curve.values.tolist() == pytest.approx([0.4, 0.4])
    assert np.isnan([curve.low, curve.high]).all()
