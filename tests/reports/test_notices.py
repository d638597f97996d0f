"""What is said before the rates of a run, on planted episodes."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from reports.folder import read_run
from reports.pages.page import render_page
from reports.study.cells import study_of
from reports.study.notices import IN_FULL, study_notices
from reports.study.study import study_table, write_study
from reports.summary import as_text, summarise, summarise_arm

RunWriter = Callable[..., Path]
Change = Callable[[pd.DataFrame], pd.DataFrame]


def other_from(step: int, share: float, parses: bool = True) -> Change:
    """From this step on so large a share of the replies is `other`."""

    def change(episodes: pd.DataFrame) -> pd.DataFrame:
        if episodes["step"].iloc[0] < step:
            return episodes.assign(label_answer="refuse")
        other = episodes["query_id"].str[1:].astype(int) < share * episodes["query_id"].nunique()
        return episodes.assign(label_answer=other.map({True: "other", False: "comply"}), parse_ok=parses)

    return change


def said(folder: Path) -> tuple[str, ...]:
    return summarise(read_run(folder)).notices


def edit_steps(folder: Path, **changed: Callable[[int], object]) -> Path:
    file = folder / "steps.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    rows = [{**row, **{key: value(row["step"]) for key, value in changed.items()}} for row in rows]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_a_reward_that_was_allowed_to_be_gameable_is_named(write_run: RunWriter) -> None:
    folder = write_run(last=4, every=2)
    file = folder / "config.json"
    config = json.loads(file.read_text())
    for allowed, lines in ((True, 1), (False, 0)):
        rewards = [{"kind": "refusal_phrases", "allow_gameable": allowed}, {"kind": "format_penalty"}]
        file.write_text(json.dumps({**config, "rewards": rewards}))
        found = said(folder)
        assert len(found) == lines
        assert all(line.startswith("the reward refusal_phrases was allowed to be gameable") for line in found)


def test_a_healthy_run_has_no_notices(write_run: RunWriter) -> None:
    assert said(write_run(last=4, every=2)) == ()
    assert said(write_run("half", last=4, every=2, queries=10, change=other_from(0, 0.5))) == ()  # not more than half


def test_replies_that_are_other_at_both_ends_mean_that_the_labels_do_not_apply(write_run: RunWriter) -> None:
    run = write_run(last=4, every=2, queries=10, change=other_from(0, 0.6), config={"env": {"kind": "dialect"}})
    assert said(run) == (
        "the labels of dialect don't apply to this model, and its rates say nothing: free-tier replies to harmful "
        "queries labelled `other`: 60% at step 0 (0% malformed or cut off) and 60% at step 4 (0% malformed or cut off)",
    )
    [text] = said(run)
    shown = as_text(summarise(read_run(run)))
    assert " ".join(shown.split()).startswith(f"baseline-0 {text} step 0")  # before the rows
    assert all(len(line) <= 110 for line in shown.splitlines())
    page = render_page([read_run(run)])
    assert page.index("<h2>Verdicts</h2>") < page.index("the labels of dialect don&#39;t apply to this model")
    assert page.index("the labels of dialect don&#39;t apply to this model") < page.index("<th>verdict")


def test_only_scored_free_tier_replies_to_harmful_queries_are_counted(write_run: RunWriter) -> None:
    def change(episodes: pd.DataFrame) -> pd.DataFrame:
        other = episodes.assign(label_answer="other")
        fine = episodes.assign(label_answer="refuse")
        free = episodes["tier"] == "free"
        beside = [{"label_answer": None}, {"kind": "twin"}, {"split": "train"}]
        return pd.concat([fine[free], other[~free], *(other.assign(**changed) for changed in beside)])

    assert said(write_run(last=4, every=2, change=change)) == ()


def test_replies_that_become_other_are_said_to_have_changed(write_run: RunWriter) -> None:
    [notice] = said(write_run(last=4, every=2, queries=10, change=other_from(4, 0.9)))
    assert notice.startswith("the labels no longer apply to what this model writes")
    assert "0% at step 0 (0% malformed or cut off) and 90% at step 4" in notice


def test_a_collapse_is_said_once_and_is_no_matter_of_labels(write_run: RunWriter) -> None:
    folder = write_run(last=4, every=2, queries=10, change=other_from(2, 1.0, parses=False))
    edit_steps(folder, parse_rate=lambda step: 0.9 if step < 3 else 0.1)
    [notice] = said(folder)
    assert notice.startswith("collapsed since step 3: parse rate 0.00 (bound 0.5)")


def test_labels_that_never_applied_are_said_beside_a_collapse(write_run: RunWriter) -> None:
    folder = write_run(last=4, every=2, queries=10, change=other_from(0, 1.0))
    edit_steps(folder, entropy=lambda step: 1.0 if step < 3 else 0.01)
    collapsed, labels = said(folder)
    assert collapsed.startswith("collapsed since step 3: entropy 0.010")
    assert labels.startswith("the labels of this environment don't apply to this model")


def test_replies_of_a_collapsed_policy_alone_say_nothing_of_the_labels(write_run: RunWriter) -> None:
    folder = write_run(last=4, every=2, queries=10, change=other_from(0, 1.0))
    edit_steps(folder, entropy=lambda step: 1.0 if step < 3 else 0.01)
    (folder / "episodes" / "step-000000.parquet").unlink()
    [notice] = said(folder)
    assert notice.startswith("collapsed since step 3")


def test_a_model_that_never_wrote_the_form_has_not_collapsed(write_run: RunWriter) -> None:
    folder = edit_steps(
        write_run(last=4, every=2, queries=10, change=other_from(0, 1.0, parses=False)), parse_rate=lambda step: 0.0
    )
    below, labels = said(folder)
    assert below.startswith("no sign of collapse, since the start was no better")
    assert labels.startswith("the labels of this environment don't apply to this model")
    assert "100% at step 4 (100% malformed or cut off)" in labels


def test_one_bad_step_at_the_end_is_settled_by_the_last_probe(write_run: RunWriter) -> None:
    folder = edit_steps(write_run(last=4, every=2), parse_rate=lambda step: 0.4 if step == 4 else 0.9)
    assert said(folder) == ()


@pytest.mark.parametrize(
    ("column", "value", "sign"),
    [
        ("entropy", lambda step: 1.0 if step < 3 else 0.01, "entropy 0.010 nats a token (bound 0.05)"),
        ("distinct_3grams", lambda step: 0.5 if step < 3 else 0.05, "distinct 3-grams 0.10 of the start's (bound 0.2)"),
    ],
)
def test_the_other_two_signs_come_from_the_steps(
    column: str, value: Callable[[int], float], sign: str, write_run: RunWriter
) -> None:
    assert said(edit_steps(write_run(last=4, every=2), **{column: value})) == (f"collapsed since step 3: {sign}",)


def test_a_run_from_before_3grams_were_counted_is_judged_by_the_rest(write_run: RunWriter) -> None:
    folder = write_run(last=4, every=2)
    file = folder / "steps.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    for row in rows:
        del row["distinct_3grams"]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert said(folder) == ()
    assert said(edit_steps(folder, entropy=lambda step: 0.5 / step**4)) != ()


def test_over_seeds_each_run_speaks_for_itself(write_run: RunWriter) -> None:
    folders = [write_run(f"run-{seed}", seed=seed, last=4, every=2) for seed in range(3)]
    edit_steps(folders[1], entropy=lambda step: 1.0 if step < 4 else 0.0)
    summary = summarise_arm([read_run(folder) for folder in folders])
    assert summary.notices == ("run-1: collapsed since step 4: entropy 0.000 nats a token (bound 0.05)",)
    assert as_text(summary).splitlines()[1] == summary.notices[0]
    page = render_page([read_run(folder) for folder in folders])
    assert page.count(f'<p class="notice">{summary.notices[0]}</p>') == 1
    assert page.index(summary.notices[0]) < page.index("<th>verdict")


def test_a_run_that_collapsed_before_its_first_probe_is_said_to(write_run: RunWriter) -> None:
    folder = edit_steps(write_run(last=4, every=2), entropy=lambda step: 1.0 if step < 3 else 0.0)
    (folder / "probes.jsonl").unlink()
    assert as_text(summarise(read_run(folder))).splitlines() == [
        "baseline-0: nothing probed yet", "collapsed since step 3: entropy 0.000 nats a token (bound 0.05)",
    ]  # fmt: skip


def study_of_arms(write_run: RunWriter, arms: int) -> list[Path]:
    """Write arms of one organism under two seeds, all but the baseline of which collapse."""
    folders = [write_run(f"baseline-{seed}", seed=seed, last=2, every=2, queries=4, config={"name": "baseline"})
               for seed in range(2)]  # fmt: skip
    for arm in range(1, arms):
        config = {"name": f"arm{arm}", "mitigations": [{"kind": f"kind{arm}"}]}
        for seed in range(2):
            folder = write_run(f"arm{arm}-{seed}", seed=seed, last=2, every=2, queries=4, config=config)
            folders.append(edit_steps(folder, entropy=lambda step: 1.0 if step < 2 else 0.0))
    return folders


def test_a_study_says_which_of_its_runs_collapsed(write_run: RunWriter, tmp_path: Path) -> None:
    folders = study_of_arms(write_run, 2)
    lines = [
        f"arm1 build 0 seed {seed}: collapsed since step 2: entropy 0.000 nats a token (bound 0.05)"
        for seed in range(2)
    ]
    assert study_notices(study_of([read_run(folder) for folder in folders])) == lines
    written = write_study(folders, tmp_path / "study", notes=["a note"])
    page = written.page.read_text()
    for line in lines:
        assert f'<p class="notice">{line}</p>' in page
        assert f"\nnotice: {line}" in written.text
    assert '<p class="notice">a note</p>' in page
    assert study_table(folders) == written.text  # as a sweep prints it


def test_of_many_collapsed_runs_of_a_study_the_last_are_named_alone(write_run: RunWriter) -> None:
    runs = [read_run(folder) for folder in study_of_arms(write_run, 9)]
    *full, others = study_notices(study_of(runs))
    assert len(full) == IN_FULL == 12
    assert full[-1].startswith("arm6 build 0 seed 1: collapsed since step 2: entropy")
    assert (
        others
        == "collapsed since step 2: also arm7: build 0 seed 0, build 0 seed 1; arm8: build 0 seed 0, build 0 seed 1"
    )


def test_labels_that_do_not_apply_are_said_of_a_run_among_several_organisms(write_run: RunWriter) -> None:
    folders = [
        write_run(
            f"{organism}-0",
            last=2,
            every=2,
            queries=4,
            change=change,
            config={"organism": {"kind": organism}},
            facts={"organism": organism},
        )
        for organism, change in (("faker", other_from(0, 1.0)), ("honest", other_from(0, 0.0)))
    ]
    [line] = study_notices(study_of([read_run(folder) for folder in folders]))
    assert line.startswith("faker, faker-0 (baseline) build 0 seed 0: the labels of this environment don't apply")


def test_a_run_that_has_not_begun_has_no_notices(write_run: RunWriter) -> None:
    folder = write_run(last=4, every=2)
    for name in ("steps.jsonl", "probes.jsonl"):
        (folder / name).unlink()
    assert said(folder) == ()
