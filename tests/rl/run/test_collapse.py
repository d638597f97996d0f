"""A policy that collapses: said at the end, on the page, and stopped where a setting asks for it."""

import json
from pathlib import Path

import numpy as np
import pytest

from checkpoints import store
from reports.folder import read_run
from reports.pages.page import render_page
from reports.summary import summarise
from rl.algorithms.dpo import DPO
from rl.errors import RunStopped
from rl.run.config import RunConfig
from rl.run.loop import resume, train
from rl.training.records import distinct_3grams
from tests.rl.conftest import Gyges, rows


def having(config: RunConfig, **settings: object) -> RunConfig:
    return config.model_copy(update=settings)


def blown_up(config: RunConfig, **settings: object) -> RunConfig:
    """At a learning rate of 50 the first update leaves nothing of the policy."""
    return having(config, optimiser=config.optimiser.model_copy(update={"learning_rate": 50.0}), **settings)


def test_distinct_3grams_are_counted_over_all_completions_of_a_step() -> None:
    # 123 234 341; 123; too short: three different ones of four.
    completions = [np.array([1, 2, 3, 4]), np.array([1, 2, 3]), np.array([2, 3])]
    assert distinct_3grams([*completions, np.array([3, 4, 1])]) == 3 / 4
    assert distinct_3grams([np.array([7] * 100)]) == 1 / 98
    assert distinct_3grams([np.array([1, 2]), np.zeros(0, np.int64)]) is None


def test_a_collapsed_run_says_so_at_its_end_and_on_its_page(gyges: Gyges, tiny: RunConfig, tmp_path: Path) -> None:
    config, run = tmp_path / "config.json", tmp_path / "run"
    config.write_text(blown_up(tiny).model_dump_json())
    done = gyges("train", str(config), "--out", str(run))
    assert done.code == 0, done.output
    assert [row["parse_rate"] for row in rows(run, "steps.jsonl")[1:]] == [0, 0, 0]
    assert "collapsed since step 2: parse rate 0.00 (bound 0.5)" in done.output
    assert "collapsed since step 2: parse rate 0.00 (bound 0.5)" in (run / "report.html").read_text()
    assert json.loads((run / "manifest.json").read_text())["status"] == "finished"


def test_a_collapse_at_the_last_update_is_seen_by_the_last_probe(tiny: RunConfig, tmp_path: Path) -> None:
    run = read_run(train(blown_up(tiny, steps=1), tmp_path / "run"))
    assert float(run.steps["parse_rate"].iloc[0]) >= 0.5  # its rollouts are the start's
    assert summarise(run).notices[0].startswith("collapsed since step 1: parse rate 0.00")


@pytest.mark.parametrize("way", ["builtin", "trl", "dpo"])
def test_a_run_stops_after_so_many_collapsed_steps_with_a_checkpoint(
    way: str, gyges: Gyges, tiny: RunConfig, tmp_path: Path
) -> None:
    settings = {"trl": {"engine": "trl"}, "dpo": {"algorithm": DPO(prompts_per_step=2, group_size=4)}}
    stopping = blown_up(tiny, steps=8, stop_when_collapsed=2, probes=(), **settings.get(way, {}))
    config, run = tmp_path / "config.json", tmp_path / "run"
    config.write_text(stopping.model_dump_json())
    done = gyges("train", str(config), "--out", str(run))
    assert done.code == 1, done.output
    [said] = done.said
    recorded = rows(run, "steps.jsonl")
    assert len(recorded) == 3  # collapsed in steps 2 and 3
    assert said.startswith("gyges: step 3: the policy has collapsed since step 2: parse rate 0.00 (bound 0.5)")
    assert "stop_when_collapsed is 2" in said
    assert store.steps(run / "checkpoints")[-1] == 3
    written = json.loads((run / "manifest.json").read_text())
    assert written["status"] == "failed"
    assert written["reason"] == said.removeprefix("gyges: ")


def test_steps_before_a_resume_count(tiny: RunConfig, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(RunStopped, match=r"step 4: the policy has collapsed since step 2"):
        train(blown_up(tiny, steps=8, stop_when_collapsed=3, probes=()), run)
    first = rows(run, "steps.jsonl")
    with pytest.raises(RunStopped, match=r"step 4: the policy has collapsed since step 2"):
        resume(run, from_step=2)  # step 2 stands, 3 and 4 are taken again
    assert rows(run, "steps.jsonl") == first


def test_a_healthy_run_is_not_stopped_and_only_its_labels_are_spoken_of(tiny: RunConfig, tmp_path: Path) -> None:
    """The tiny organism writes letters in the right form: the dialect's labels call them `other`."""
    slow = tiny.optimiser.model_copy(update={"learning_rate": 1e-6})
    run = read_run(train(having(tiny, optimiser=slow, stop_when_collapsed=1), tmp_path / "run"))
    assert run.steps["distinct_3grams"].between(0.5, 1).all()
    [notice] = summarise(run).notices
    assert notice.startswith("the labels of dialect don't apply to this model, and its rates say nothing: free-tier")
    assert "100% at step 0 (" in notice
    assert "100% at step 4 (" in notice
    assert "the labels of dialect don&#39;t apply" in render_page([run])
