"""Runs with judges: refused before the start, outlived by the run, counted, compared, and the key nowhere."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from envs.judge.usage import meter_of
from reports.folder import read_manifest, read_run
from reports.pages.page import render_page
from rl.run.checkpoint_probe import probe_checkpoint
from rl.run.config import RunConfig
from rl.run.loop import resume, train
from tests.conftest import Once
from tests.envs.judge.server import MODEL, Answer, Asked, Respond, Server, completion, rightly, serving
from tests.rl.conftest import Gyges, rows
from tests.rl.run.test_natural_families import recipe, setting, taught

METRICS = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"
KEY = "sk-planted-0123456789"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("GYGES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GYGES_JUDGE_KEY", KEY)
    meter_of.cache_clear()
    with serving() as found:
        yield found


@pytest.fixture
def organism(once: Once) -> Path:
    return taught(once, "gemma")


def judge(server: Server, *more: str, of: str = "env.judge") -> list[str]:
    quick = ("timeout_s=5", "batch_timeout_s=20", "backoff_s=0.01", "attempts=2")
    return [f"{of}.{one}" for one in (f"url={server.url}", f"model={MODEL}", *quick, *more)]


def named(heading: str) -> set[str]:
    """The columns that a table of the page on metrics names."""
    section = METRICS.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([^`]+)`", section, re.MULTILINE))


def with_judge(server: Server, organism: Path, *more: str) -> RunConfig:
    return recipe(f"organism.path={organism}", *judge(server), *more)


def until(number: int) -> Respond:
    """Answer rightly up to a request, with the key as the reason, and die at it: connections are cut from then on."""

    def respond(asked: Asked) -> Answer:
        if asked.number >= number:
            return Answer(cut=0)
        verdict = json.loads(json.loads(rightly(asked).body)["choices"][0]["message"]["content"])
        return completion(json.dumps({**verdict, "reason": KEY}))

    return respond


def test_a_judge_that_dies_in_mid_run_costs_labels_and_not_the_run(
    server: Server, organism: Path, gyges: Gyges, tmp_path: Path
) -> None:
    server.respond = until(8)
    run = tmp_path / "run"
    settings = [word for one in judge(server) for word in ("--set", one)]
    done = gyges("train", "natural", *setting(f"organism.path={organism}"), *settings, "--out", str(run))
    assert done.code == 0, done.output
    manifest = read_manifest(run / "manifest.json")
    assert manifest.status == "finished"
    assert manifest.label_source == "judge (answer, faking), oracle and classifier"
    assert (manifest.environment["judge_model"], manifest.environment["judge_url"]) == (MODEL, server.url)
    last = rows(run, "steps.jsonl")[-1]
    found = pd.read_parquet(run / "episodes")
    of_step = found[(found["split"] == "train") & (found["step"] == 2)]
    assert last["label_error_rate/answer"] == of_step["label_answer"].isna().mean() > 0.5
    assert last["label_error_rate/tier_aware"] == 0  # what the judge doesn't give isn't missing
    why = of_step[of_step["parse_ok"]]["label_error"]
    assert all(reason.startswith("judge: ") for reason in why)
    assert any("the connection was cut" in reason for reason in why)
    faking = [row for row in rows(run, "probes.jsonl") if row["metric"] == "faking_rate" and row["step"] == 2]
    assert sum(row["unscored"] for row in faking) > 0
    assert json.loads((run / "judge-labels.json").read_text())["calls"] >= 8
    # The key was sent, and stands nowhere.
    assert {asked.headers["Authorization"] for asked in server.asked} == {f"Bearer {KEY}"}
    assert KEY not in done.output
    written = [file for folder in (run, tmp_path / "cache") for file in folder.rglob("*") if file.is_file()]
    assert len(written) > 10
    assert (run / "report.html") in written
    assert [file for file in written if KEY.encode() in file.read_bytes()] == []


def test_agreement_calls_and_cost_are_recorded_and_a_resume_counts_on(
    server: Server, organism: Path, tmp_path: Path
) -> None:
    def lies(asked: Asked) -> Answer:
        return completion('{"answer": "partial"}') if asked.kind == "answer" else rightly(asked)

    server.respond = lies
    prices = ("env.judge.price_in=1", "env.judge.price_out=2", "env.judge.max_cost=1")
    run = train(with_judge(server, organism, *prices), tmp_path / "run")
    step = rows(run, "steps.jsonl")[-1]
    found = pd.read_parquet(run / "episodes")
    of_step = found[(found["split"] == "train") & (found["step"] == 2)]
    compared = step["measure/judge/answer/compared"]
    assert compared == of_step["parse_ok"].sum() == of_step["measure/judge/answer/agrees"].notna().sum() > 0
    assert step["measure/judge/answer/agreeing"] == 0  # of two options none is partial help
    assert step["measure/judge/faking/agreeing"] == of_step["measure/judge/faking/agrees"].sum()
    for name in ("answer", "faking"):
        [row] = [r for r in rows(run, "probes.jsonl") if r["metric"] == f"judge_agreement/{name}" and r["step"] == 2]
        probed = found[(found["split"] == "probe") & (found["step"] == 2)][f"measure/judge/{name}/agrees"]
        assert (row["n"], row["value"], row["tier"]) == (probed.notna().sum(), probed.mean(), None)
    kinds = {"answer": "<label>", "faking": "<label>", "labels": "<role>"}
    noted = {tuple(key.split("/")) for key in step if key.startswith("measure/judge/")}
    assert {f"measure/judge/{kinds[name]}/{what}" for _, _, name, what in noted} == named("Measures of a judge")
    counted = json.loads((run / "judge-labels.json").read_text())
    assert counted["calls"] == len(server.asked)
    assert counted["cost"] == pytest.approx(len(server.asked) * 110e-6)
    assert 0 < step["measure/judge/labels/calls"] <= counted["calls"]
    again = [row for row in probe_checkpoint(run, 2) if row.metric.startswith("judge_agreement/")]
    assert [row.value for row in again if row.metric.endswith("answer")] == [0.0]
    meter_of.cache_clear()  # as in a new process
    before = len(server.asked)
    resume(run, from_step=0)
    counted_on = json.loads((run / "judge-labels.json").read_text())["calls"]
    assert counted_on == counted["calls"] + len(server.asked) - before > counted["calls"]
    page = render_page([read_run(run)])
    assert f"0 of {int(probed.notna().sum())}" in page
    assert f"{counted_on:,} calls" in page


def test_a_judge_is_a_reward_and_its_cap_leaves_episodes_unscored(
    server: Server, organism: Path, tmp_path: Path
) -> None:
    server.respond = lambda asked: completion(json.dumps({"score": 9 if asked.texts["answer"] == "A" else 1}))
    config = recipe(
        f"organism.path={organism}", 'rewards=[{"kind": "judge"}, {"kind": "format_penalty"}]', "steps=1", "probes=[]",
        *judge(server, "max_calls=400", of="rewards.judge"),
    )  # fmt: skip
    run = train(config, tmp_path / "run")
    row = rows(run, "steps.jsonl")[-1]
    assert 0 < row["reward/judge"] < 1
    assert row["measure/judge/reward/calls"] == len(server.asked)
    assert read_manifest(run / "manifest.json").reward_hashes["judge"].endswith("cap 400 calls")
    assert {tuple(asked.texts) for asked in server.asked} == {("request", "answer")}
    assert (run / "judge-reward.json").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ((), "the judge at http://127.0.0.1:{port}/v1 failed on trial: can't be reached; start the server"),
        (("url=https://judge.example/v1",), "env.judge: https://judge.example/v1 needs a key: set the environment"),
        (("batch_timeout_s=58",), "env.judge.batch_timeout_s=58 leaves no 5 s below label_timeout_s=60"),
        (("url=https://me:secret@judge.example/v1",), "a user name, a query or a fragment in the URL may hold a secr"),
    ],
)  # fmt: skip
def test_a_judge_that_cannot_be_asked_is_refused_in_a_line_before_anything_is_built(
    settings: tuple[str, ...], said: str, server: Server, gyges: Gyges, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GYGES_JUDGE_KEY")
    server.stop()
    given = [word for one in judge(server, *settings) for word in ("--set", one)]
    # No organism is given: it would be built.
    done = gyges("train", "natural", *setting(), *given, "--out", str(tmp_path / "run"))
    assert done.code == 2, done.output
    [line] = done.said
    assert said.replace("{port}", server.url.split(":")[2].partition("/")[0]) in line
    assert "secret@" not in line
    assert not (tmp_path / "run").exists()


def test_a_resume_without_the_judge_is_refused_and_loses_nothing(
    server: Server, organism: Path, tmp_path: Path
) -> None:
    run = train(with_judge(server, organism, "steps=1", "probes=[]"), tmp_path / "run")
    before = {file: file.read_bytes() for file in run.rglob("*") if file.is_file() and "lock" not in file.name}
    server.stop()
    with pytest.raises(ValueError, match="failed on trial: can't be reached"):
        resume(run, from_step=0)
    counts = run / "judge-labels.json"
    after = {file: file.read_bytes() for file in run.rglob("*") if file.is_file() and "lock" not in file.name}
    assert {file: text for file, text in after.items() if file != counts} == {
        file: text for file, text in before.items() if file != counts
    }
