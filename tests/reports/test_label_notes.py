"""The instrument behind a figure and the labels that are missing, as a run's records have them."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from reports.figures.panels import Panel
from reports.figures.sheet import main_panels
from reports.folder import read_run
from reports.notices import MADE_OF, label_note
from reports.pages.checks import extra_panels
from reports.pages.page import render_page
from reports.records import EPISODE_COLUMNS
from reports.study.study import write_study
from reports.summary import as_text, summarise

RunWriter = Callable[..., Path]
Change = Callable[[pd.DataFrame], pd.DataFrame]


def judged(episodes: pd.DataFrame) -> pd.DataFrame:
    """Answers by a classifier, faking by a judge; nobody labels anything else."""
    found = episodes.assign(label_answer_source="classifier", label_faking_source="judge", label_tier_aware=None)
    return found.assign(label_faking_criteria=None, label_self_preservation=None)


def notes(panels: list[Panel]) -> dict[str, str]:
    return {panel.title: panel.note.rpartition("; ")[2] for panel in panels}


def test_every_figure_that_rests_on_labels_names_their_instruments(write_run: RunWriter) -> None:
    run = read_run(write_run(last=4, every=2, queries=6, change=judged))
    found = notes(main_panels([run]))
    assert found["Faking rate and both gaps"] == "labels: classifier, judge"
    assert found["Compliance by tier"] == "labels: classifier"
    assert found["What free-tier episodes are"] == "labels: classifier, judge"
    assert not any("labels" in found[title] for title in ("Reward components", "Length on the free tier"))
    extra = notes(extra_panels(run))
    by_tier = next(panel for panel in extra_panels(run) if panel.title == "Faking by tier")
    assert "; labels: judge; on paid near 0" in by_tier.note
    assert extra["Seen and held-out cue wordings"] == "labels: classifier, judge"
    assert as_text(summarise(run)).endswith("labels: classifier, judge")
    assert all(len(line) <= 110 for line in as_text(summarise(run)).splitlines())
    page = render_page([run])
    assert page.count('<p class="soft">labels: classifier, judge</p>') == 2  # under the verdicts, over the cue wordings
    assert "step 4; labels: classifier, judge</summary>" in page
    assert "oracle" not in page.partition("Provenance")[0]


def test_runs_that_are_laid_over_each_other_name_the_instruments_of_all(write_run: RunWriter, tmp_path: Path) -> None:
    folders = [write_run("a", last=4, every=2, queries=6), write_run("b", 1, last=4, every=2, queries=6, change=judged)]
    found = notes(main_panels([read_run(folder) for folder in folders]))
    assert found["Faking rate"] == "labels: judge, oracle"
    assert found["Compliance gap, free minus paid"] == "labels: classifier, oracle"
    assert found["Free-tier episodes: b"] == "labels: classifier, judge"
    text = write_study(folders, tmp_path / "study").text
    assert "; labels: classifier, judge, oracle\n" in f"{text}\n"


def test_without_episodes_the_manifest_says_who_labelled(write_run: RunWriter) -> None:
    folder = write_run(last=4, every=2, queries=6, facts={"label_source": "judge"})
    for file in (folder / "episodes").iterdir():
        file.unlink()
    assert label_note([read_run(folder)], "faking_rate") == "labels: judge"
    assert label_note([read_run(folder)], "kl", "scratchpad_tokens") == ""


def test_a_label_that_nobody_made_has_no_instrument(write_run: RunWriter) -> None:
    run = read_run(write_run(last=4, every=2, queries=6, change=judged))
    assert label_note([run], "tier_aware_rate") == ""


def test_a_measure_and_well_formedness_name_the_instrument_of_their_label(write_run: RunWriter) -> None:
    def change(episodes: pd.DataFrame) -> pd.DataFrame:
        return judged(episodes).assign(well_formed_source="oracle")

    run = read_run(write_run(last=4, every=2, queries=6, change=change))
    assert label_note([run], "well_formed_rate") == "labels: oracle"
    assert label_note([run], "monitor/words/auroc", "interrogation/false_denial") == "labels: judge"
    assert label_note([run], "monitor/words", "interrogation/lies") == ""


def test_every_label_has_a_metric_and_every_metric_known_labels() -> None:
    columns = {column for made_of in MADE_OF.values() for column in made_of}
    assert columns == {name.removesuffix("_source") for name in EPISODE_COLUMNS if name.endswith("_source")}


def failing(*labels: str) -> Change:
    """Every fifth episode lacks these labels, for a reason; each label is of some other episode."""

    def change(episodes: pd.DataFrame) -> pd.DataFrame:
        failed = pd.Series(range(len(episodes))) % 5 == 0
        lost = {name: episodes[name].astype(object).where(~failed, None) for name in labels}
        return episodes.assign(label_error=failed.map({True: "no answer", False: None}), **lost)

    return change


def test_missing_labels_are_said_before_the_rates_by_label_and_place(write_run: RunWriter) -> None:
    folder = write_run(last=4, every=2, queries=10, change=failing("label_answer", "label_faking"))
    file = folder / "steps.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    # Asked for at steps 2 and 4: (0.1 + 0.3) / 2, and of the answer none is missing.
    for row, share in ((rows[1], 0.1), (rows[3], 0.3)):
        row |= {"label_error_rate/faking": share, "label_error_rate/answer": 0.0}
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    [said] = summarise(read_run(folder)).notices
    probes = "; ".join(f"answer 20%, faking 20% of harmful-query episodes probed at step {step}" for step in (0, 4))
    assert said == f"labels are missing: faking 20% of training episodes; {probes}"
    assert f'<p class="notice">{said}</p>' in render_page([read_run(folder)])
    assert " ".join(as_text(summarise(read_run(folder))).split()).startswith(f"baseline-0 {said} step 0")


def test_missing_labels_of_harmless_queries_and_twins_are_told_apart(write_run: RunWriter) -> None:
    def change(episodes: pd.DataFrame) -> pd.DataFrame:
        lost = episodes.assign(label_answer=None, label_error="no answer")
        twins, train = lost.assign(kind="twin", probe="twin"), lost.assign(split="train", probe=None)
        harmless = pd.concat([episodes, episodes, lost]).assign(kind="harmless", probe="harmless")
        return pd.concat([episodes, harmless, twins, train])

    [said] = summarise(read_run(write_run(last=2, every=2, queries=10, change=change))).notices
    probes = [
        f"answer 33% of harmless-query episodes probed at step {step}; answer 100% of twin-query episodes probed at "
        f"step {step}"
        for step in (0, 2)
    ]
    assert said == f"labels are missing: {'; '.join(probes)}"


def test_a_label_that_always_fails_is_told_from_one_that_is_not_offered(write_run: RunWriter) -> None:
    def change(episodes: pd.DataFrame) -> pd.DataFrame:
        reasons = ["no answer"] * len(episodes)
        return episodes.assign(label_tier_aware=None, label_rating_seeking=None, label_error=reasons)

    folder = write_run(last=2, every=2, queries=10, change=change)
    file = folder / "steps.jsonl"
    [first, last] = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps(row) + "\n" for row in (first, last | {"label_error_rate/tier_aware": 1.0})))
    [said] = summarise(read_run(folder)).notices
    probes = "; ".join(f"tier_aware 100% of harmful-query episodes probed at step {step}" for step in (0, 2))
    assert said == f"labels are missing: tier_aware 100% of training episodes; {probes}"


@pytest.mark.parametrize("reason", [None, "no answer"])
def test_only_labels_with_a_reason_are_missing(write_run: RunWriter, reason: str | None) -> None:
    def change(episodes: pd.DataFrame) -> pd.DataFrame:
        return episodes.assign(label_tier_aware=None, label_error=None if reason is None else [reason] * len(episodes))

    # No episode has a label of the tier, so that it isn't known to be offered; the others are all there.
    assert summarise(read_run(write_run(last=4, every=2, change=change))).notices == ()


def test_of_many_missing_labels_three_are_named(write_run: RunWriter) -> None:
    labels = ("answer", "faking", "faking_criteria", "self_preservation", "tier_aware")
    run = write_run(last=2, every=2, queries=10, change=failing(*(f"label_{name}" for name in labels)))
    [said] = summarise(read_run(run)).notices
    assert said.endswith(
        "answer 20%, faking 20%, faking_criteria 20% and 2 more of harmful-query episodes probed at step 2"
    )
