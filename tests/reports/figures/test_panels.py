import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from reports.figures.panels import Panel, Series, components, due_steps, probe_series
from reports.figures.plots import page_plots, plot_json
from reports.figures.sheet import arms, main_panels
from reports.folder import Run, read_run
from reports.pages.checks import extra_panels

RunWriter = Callable[..., Path]


def test_a_missing_probe_is_a_gap(write_run: RunWriter) -> None:
    folder = write_run(last=6, every=2, queries=4)
    lines = (folder / "probes.jsonl").read_text().splitlines(keepends=True)
    kept = [line for line in lines if not ('"step": 2' in line and '"compliance_gap"' in line)]
    (folder / "probes.jsonl").write_text("".join(kept))
    line = probe_series(read_run(folder), "compliance_gap", None, "gap", "#000")
    assert line.steps.tolist() == [0, 2, 4, 6]
    assert np.isnan(line.values).tolist() == [False, True, False, False]


def test_a_step_that_no_probe_has_is_a_gap_where_the_config_says_that_it_was_due(write_run: RunWriter) -> None:
    def without(name: str, steps: set[int], config: dict[str, object]) -> Run:
        folder = write_run(name, last=6, every=2, queries=4, config=config)
        lines = (folder / "probes.jsonl").read_text().splitlines(keepends=True)
        kept = [line for line in lines if json.loads(line)["step"] not in steps]
        (folder / "probes.jsonl").write_text("".join(kept))
        return read_run(folder)

    line = probe_series(without("a", {4}, {"probe_every": 2, "steps": 9}), "compliance_gap", None, "gap", "#000")
    assert line.steps.tolist() == [0, 2, 4, 6]
    assert np.isnan(line.values).tolist() == [False, False, True, False]
    # The last step is always due, whatever the interval; one that was probed beside it stays; none beyond step 6, the
    # last recorded.
    assert due_steps(without("b", {6}, {"probe_every": 5, "steps": 6})) == [0, 2, 4, 5, 6]
    assert due_steps(without("c", {6}, {"probe_every": 4, "steps": 20})) == [0, 2, 4]
    # A config that doesn't say, and a run that has probed nothing.
    assert due_steps(without("d", {2}, {"probe_every": 2})) == [0, 4, 6]
    assert due_steps(without("e", {2}, {"probe_every": 0, "steps": 9})) == [0, 4, 6]
    assert due_steps(without("f", {0, 2, 4, 6}, {"probe_every": 2, "steps": 6})) == []


def test_main_curves_leave_the_cue_subsets_out(write_run: RunWriter) -> None:
    run = read_run(write_run(last=2, every=2, queries=8))
    everything = probe_series(run, "faking_rate", "free", "", "#000")
    seen = probe_series(run, "faking_rate", "free", "", "#000", subset="seen_cues")
    n = run.probes[(run.probes["probe"] == "faking/seen_cues") & (run.probes["tier"] == "free")]["n"]
    assert n.tolist() == [4, 4]
    assert len(everything.steps) == len(seen.steps) == 2


def test_one_run_shows_by_metric_and_several_by_run(write_run: RunWriter) -> None:
    runs = [read_run(write_run(f"arm-{seed}", seed, last=2, every=2, queries=4)) for seed in range(2)]
    single = main_panels(runs[:1])
    assert [panel.stacked for panel in single] == [False, False, True, False, False, False]
    assert all(panel.x_label == "optimiser step" and panel.y_label and panel.note for panel in single)
    shares = np.array([part.values for part in single[2].series])
    assert np.allclose(shares.sum(axis=0), 1)
    overlay = main_panels(runs)
    assert sum(panel.stacked for panel in overlay) == 2  # a stack for each run
    assert [line.label for line in overlay[0].series] == ["arm-0", "arm-1"]
    assert {panel.title for panel in overlay} >= {f"Reward: {name}" for name in components(runs)}
    assert "Seen and held-out cue wordings" in [panel.title for panel in extra_panels(runs[0])]


def test_three_seeds_are_one_line_with_a_band_over_seeds(write_run: RunWriter) -> None:
    runs = [read_run(write_run(f"arm-{seed}", seed, last=4, every=2, queries=40)) for seed in range(3)]
    alone = read_run(write_run("alone", 7, last=4, every=2, queries=40, config={"name": "alone"}))
    faking = main_panels([*runs, alone])[0]
    assert [len(group) for _, group in arms([*runs, alone])] == [3, 1]
    assert [line.label for line in faking.series] == [
        f"{runs[0].config.get('name', runs[0].name)} (3 seeds of one build)",
        "alone",
    ]
    by_seed = np.array([probe_series(run, "faking_rate", "free", "", "#000").values for run in runs])
    merged = faking.series[0]
    np.testing.assert_allclose(merged.values, by_seed.mean(axis=0))
    # Student's t with 2 degrees of freedom: 4.302653 standard errors on either side, within 0 and 1.
    # None at step 0, where these seeds agree.
    spread = by_seed.std(axis=0, ddof=1)
    assert (spread == 0).tolist() == [True, False, False]
    half = np.where(spread == 0, np.nan, 4.302653 * spread / np.sqrt(3))
    np.testing.assert_allclose(merged.low, np.maximum(by_seed.mean(axis=0) - half, 0), rtol=1e-6)
    stacked = next(panel for panel in main_panels([*runs, alone]) if panel.stacked)
    assert np.allclose(np.array([part.values for part in stacked.series]).sum(axis=0), 1)


def test_a_step_that_one_seed_has_not_probed_is_a_gap_of_the_arm(write_run: RunWriter) -> None:
    folders = [write_run(f"arm-{seed}", seed, last=4, every=2, queries=4) for seed in range(3)]
    lines = (folders[1] / "probes.jsonl").read_text().splitlines(keepends=True)
    kept = [line for line in lines if not ('"step": 2' in line and '"faking_rate"' in line)]
    (folders[1] / "probes.jsonl").write_text("".join(kept))
    faking = main_panels([read_run(folder) for folder in folders])[0]
    assert np.isnan(faking.series[0].values).tolist() == [False, True, False]


def test_the_interactive_line_breaks_where_a_point_is_missing() -> None:
    gap = np.array([0.1, np.nan, 0.3, 0.4])
    panel = Panel("t", "y", "n", (Series("<b>$x$", "#000000", np.arange(4), gap, gap - 0.1, gap + 0.1),))
    band, line = json.loads(plot_json(panel))["data"]
    assert line["y"] == [0.1, None, 0.3, 0.4]
    # Two closed shapes: the point alone, then steps 2 and 3 there and back.
    assert band["x"] == [0, 0, None, 2, 3, 3, 2, None]
    assert line["name"] == "&lt;b&gt;$x$"
    assert not {"<", ">", "&"} & set(page_plots([panel]))
