"""Runs whose labeller fails now and then, and too often; and what a run asks for labels at all."""

import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from envs.dialect.environment import Dialect
from envs.episode import Episode, Scenario
from envs.labels import LABEL_NAMES, Labels, unscored
from reports.folder import read_run
from reports.pages.page import render_page
from reports.summary import as_text, summarise
from rl.errors import RunStopped
from rl.run.config import RunConfig
from rl.run.loop import resume, train
from tests.rl.conftest import rows, same_run

EXACT = Dialect.label
KINDS = ("exception", "time-out", "partial")


class Flaky:
    """In place of the oracle: of every five episodes the first `failing` fail, each in another of three ways.

    An exception, a time-out, or labels of which `faking` alone is None with a reason.
    """

    def __init__(self, failing: int) -> None:
        self.failing = failing
        self.numbers: dict[int, tuple[int, Any]] = {}  # by identity; the episode is kept, so that its id stays its own
        self.labelled: Counter[str] = Counter()

    def kind(self, episode: Episode[Scenario]) -> str | None:
        number, _ = self.numbers.setdefault(id(episode), (len(self.numbers), episode))
        return KINDS[number % 3] if number % 5 < self.failing else None

    def label(self, env: Dialect, episodes: Sequence[Episode[Scenario]]) -> list[Labels]:
        kinds = [self.kind(episode) for episode in episodes]  # all are numbered, whatever fails
        if "exception" in kinds:
            raise RuntimeError("no answer from the judge")
        if "time-out" in kinds:
            time.sleep(30)
        found = EXACT(env, episodes)
        for place, kind in enumerate(kinds):
            if kind == "partial":
                known = {name: getattr(found[place], name) for name in LABEL_NAMES if name != "faking"}
                found[place] = Labels(**known, sources=found[place].sources, reasons={"faking": "the votes differ"})
        self.labelled.update(kind or "whole" for kind in kinds)
        return found


def having(config: RunConfig, **changes: object) -> RunConfig:
    return RunConfig.model_validate({**dict(config), "label_timeout_s": 0.2, **changes})


def plant(monkeypatch: pytest.MonkeyPatch, failing: int) -> Flaky:
    judge = Flaky(failing)
    monkeypatch.setattr(Dialect, "label", lambda env, episodes: judge.label(env, episodes))
    return judge


def test_a_run_whose_labeller_fails_on_a_fifth_of_the_episodes_trains_to_its_end(
    tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, failing=1)
    run = train(having(tiny, algorithm=tiny.algorithm.model_copy(update={"group_size": 5})), tmp_path / "run")
    manifest = json.loads((run / "manifest.json").read_text())
    assert (manifest["status"], manifest["label_source"]) == ("finished", "oracle")
    found = pd.read_parquet(run / "episodes")
    missing = found["label_answer"].isna(), found["label_faking"].isna()
    assert all(found["label_error"].notna() == missing[1])
    reasons = ("RuntimeError: no answer from the judge", "no answer within 0.2 s", "the votes differ")
    assert set(found["label_error"].dropna()) == set(reasons)
    assert 0.19 < missing[1].mean() < 0.21
    assert all(found["label_answer_source"].isna() == missing[0])
    # Every step of 10 episodes that is logged lacks 2 labels of faking; of the answer where the reason is another.
    for row in rows(run, "steps.jsonl"):
        asked = {key.removeprefix("label_error_rate/"): row[key] for key in row if key.startswith("label_error_rate/")}
        if row["step"] % 2:
            assert asked == {}
            continue
        of_step = found[(found["split"] == "train") & (found["step"] == row["step"])]
        assert set(asked) == set(LABEL_NAMES)
        assert asked["faking"] == pytest.approx(0.2)
        assert asked["faking"] == of_step["label_faking"].isna().mean()
        assert asked["answer"] == of_step["label_answer"].isna().mean()
    for row in rows(run, "probes.jsonl"):
        of_probe = found[(found["split"] == "probe") & (found["step"] == row["step"]) & (found["kind"] == "harmful")]
        of_probe = of_probe[of_probe["tier"] == row["tier"]]
        if row["metric"] == "decomposition/refuse":
            assert row["unscored"] == of_probe["label_faking"].isna().sum()  # missing wherever the answer is
        if row["metric"] == "well_formed_rate":
            assert row["unscored"] == of_probe["well_formed"].isna().sum()
        assert row["n"] + row["unscored"] == len(of_probe) == 8
    page, text = render_page([read_run(run)]), as_text(summarise(read_run(run)))
    for said in (page, text):
        assert "labels are missing: faking 20%" in " ".join(said.split())


def test_a_run_whose_labeller_fails_too_often_stops_and_goes_on_once_it_is_mended(
    tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, failing=2)
    run = tmp_path / "run"
    said = r"the probe of step 0: 14 of 32 episodes lack the label faking, more than max_label_error_rate=0\.25 allows"
    with pytest.raises(RunStopped, match=said):
        train(having(tiny), run)
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["status"] == "failed"
    assert "; the first reason: RuntimeError: no answer from the judge" in manifest["reason"]
    assert rows(run, "probes.jsonl") != []  # what was found stays readable
    monkeypatch.setattr(Dialect, "label", EXACT)
    resume(run)
    assert json.loads((run / "manifest.json").read_text())["status"] == "finished"
    assert {row["unscored"] for row in rows(run, "probes.jsonl")} == {0}


def test_too_few_labels_of_a_step_stop_the_run_behind_its_row_and_its_checkpoint(
    tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, failing=2)
    run = tmp_path / "run"
    with pytest.raises(RunStopped, match=r"^step 2: 4 of 8 episodes lack the label faking"):
        train(having(tiny, probes=()), run)  # episodes 0 1 5 6 of the first eight
    last = rows(run, "steps.jsonl")[-1]
    assert (last["step"], last["label_error_rate/faking"]) == (2, 0.5)
    assert (run / "checkpoints" / "step-000002").is_dir()
    # The very next step is asked about, though nobody logs it: a labeller that isn't mended stops the run again.
    plant(monkeypatch, failing=2)
    with pytest.raises(RunStopped, match=r"^step 3: 4 of 8 episodes lack the label faking"):
        resume(run)
    # Labels missing already don't stop the run anew: the next step is judged on its own labels.
    monkeypatch.setattr(Dialect, "label", EXACT)
    resume(run)
    assert [row.get("label_error_rate/faking") for row in rows(run, "steps.jsonl")] == [None, 0.5, 0.5, 0.0]


def test_a_run_whose_last_step_lacks_labels_takes_it_again_before_it_is_finished(
    tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    train(having(tiny, steps=2, probes=(), checkpoint_every=1), tmp_path / "whole")
    plant(monkeypatch, failing=2)
    with pytest.raises(RunStopped, match=r"^step 2: 4 of 8"):
        train(having(tiny, steps=2, probes=(), checkpoint_every=1), run)
    monkeypatch.setattr(Dialect, "label", EXACT)
    said = r"step 2, the run's last, lacks labels .*: mend the labels and take the step again with `gyges resume .*1`"
    with pytest.raises(ValueError, match=said):
        resume(run)
    assert json.loads((run / "manifest.json").read_text())["status"] == "failed"
    same_run(tmp_path / "whole", resume(run, from_step=1))


def test_a_higher_limit_lets_the_same_run_pass(
    tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, failing=2)
    run = train(having(tiny, steps=2, probes=(), max_label_error_rate=0.5), tmp_path / "run")
    assert rows(run, "steps.jsonl")[-1]["label_error_rate/faking"] == 0.5


def test_a_step_that_nobody_logs_asks_for_no_labels(
    tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = plant(monkeypatch, failing=0)
    run = train(having(tiny, probes=()), tmp_path / "run")
    # Steps 2 and 4 of 4 are logged; each has 8 completions.
    assert judge.labelled == {"whole": 2 * 8}
    asked = [any(key.startswith("label_error_rate/") for key in row) for row in rows(run, "steps.jsonl")]
    assert asked == [False, True, False, True]


def test_labels_that_an_environment_does_not_offer_are_unscored_and_no_error(
    tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answers(env: Dialect, episodes: Sequence[Episode[Scenario]]) -> list[Labels]:
        return [Labels(answer=found.answer, sources={"answer": "judge"}) for found in EXACT(env, episodes)]

    monkeypatch.setattr(Dialect, "label", answers)
    run = train(having(tiny, steps=2, max_label_error_rate=0.0), tmp_path / "run")
    last = rows(run, "steps.jsonl")[-1]
    assert {key: last[key] for key in last if key.startswith("label_error_rate/")} == {"label_error_rate/answer": 0.0}
    unscored_of = {(row["metric"], row["unscored"]) for row in rows(run, "probes.jsonl")}
    assert ("well_formed_rate", 8) in unscored_of
    assert ("decomposition/refuse", 8) in unscored_of
    found = pd.read_parquet(run / "episodes")
    assert found["label_error"].isna().all()
    assert set(found["label_answer_source"]) == {"judge"}
    assert found["label_faking_source"].isna().all()


def test_a_labeller_that_is_dead_from_the_start_stops_the_run_in_seconds(
    tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Dialect, "label", lambda env, episodes: [unscored("no key for the judge")] * len(episodes))
    with pytest.raises(RunStopped, match=r"32 of 32 episodes lack the label answer.*the first reason: no key for"):
        train(having(tiny), tmp_path / "run")
