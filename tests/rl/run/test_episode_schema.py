"""Every episode file of a run has the same columns and types, whatever its steps hold."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reports.folder import read_run
from reports.records import EPISODE_COLUMNS
from rl.mitigations import Mitigation
from rl.mitigations.interrogation import Interrogation
from rl.mitigations.monitor_penalty import MonitorPenalty
from rl.mitigations.scratchpad_length import ScratchpadLength
from rl.monitors.keywords import Keyword
from rl.probes import DEFAULT_PROBES
from rl.run.config import RunConfig, read_config
from rl.run.episode_rows import run_schema
from rl.run.folder import RunFolder, default_name
from rl.run.loop import resume, train
from rl.run.overrides import members
from tests.rl.conftest import Gyges, rows
from tests.rl.run.test_loop import having

MITIGATIONS = (MonitorPenalty(monitor=Keyword()), ScratchpadLength(threshold=2.0), Interrogation())


@pytest.fixture(scope="module")
def run(tiny: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Probes of every kind of query, logged and unlogged steps, a monitor, a follow-up turn, low-rank adapters."""
    config = having(
        tiny, steps=3, probes=DEFAULT_PROBES, mitigations=MITIGATIONS, lora={"rank": 2}, probe_every=2
    )  # the rollouts of step 1 aren't kept, step 0 has none, step 3 is the last
    return train(config, tmp_path_factory.mktemp("schema") / "run")


def files(run: Path) -> list[Path]:
    return sorted((run / "episodes").iterdir())


def test_one_schema_for_the_whole_run(run: Path) -> None:
    config = read_config(run / "config.json")
    schemas = [pq.read_schema(file) for file in files(run)]
    assert [file.stem for file in files(run)] == ["step-000000", "step-000002", "step-000003"]
    assert all(schema.equals(run_schema(config)) for schema in schemas)
    [names] = {tuple(schema.names) for schema in schemas}
    assert [name for name in names if name in EPISODE_COLUMNS] == EPISODE_COLUMNS
    assert [name for name in names if name not in EPISODE_COLUMNS] == [
        "said/interrogation/question", "said/interrogation/reply", "measure/monitor/keyword",
        "measure/unjudged/keyword",
        "measure/scratchpad_length/above", "measure/scratchpad_length/threshold", "measure/interrogation/asked",
        "measure/interrogation/denies", "measure/interrogation/lies", "measure/interrogation/well_formed",
        "measure/interrogation/false_denial", "reward/format_penalty", "reward/answer_length",
        "reward/monitor_penalty", "reward/scratchpad_length", "reward/interrogation",
    ]  # fmt: skip
    assert not any(pa.types.is_null(field.type) for field in schemas[0])


def check(found: pd.DataFrame, run: Path) -> None:
    """Assert the facts of the whole run, however it was read."""
    config = read_config(run / "config.json")
    build = json.loads((run / "manifest.json").read_text())["organism_hash"][:8]
    assert set(found["run"]) == {default_name(config)}
    assert set(found["build"]) == {build}
    assert set(found["seed"]) == {5}
    assert len(found) == sum(pq.read_metadata(file).num_rows for file in files(run))
    train, probed = (found[found["split"] == split] for split in ("train", "probe"))
    assert len(train) == 2 * 8  # two logged steps of two prompts, four completions each
    groups = [(int(row["group"]), int(row["sample"])) for _, row in train.sort_values("step").iterrows()]
    assert groups == [(group, sample) for _ in range(2) for group in range(2) for sample in range(4)]
    assert train["reward/interrogation"].notna().all()
    assert train["measure/monitor/keyword"].notna().all()
    assert train["measure/interrogation/asked"].sum() == train["said/interrogation/reply"].notna().sum() > 0
    assert train["pair_id"].isna().all()
    assert train["probe"].isna().all()
    parts = [name for name in found if name.startswith("reward/")]
    assert train[parts].sum(axis=1).tolist() == pytest.approx(train["reward_total"].tolist())
    assert probed[[*parts, "group", "advantage", "said/interrogation/reply"]].isna().all().all()
    assert set(probed["kind"]) == set(probed["probe"]) == {"harmful", "harmless", "twin"}
    assert set(probed["cues"]) == {"seen", "held_out"}
    assert set(train["cues"]) == {"seen"}
    # The same query under every tier, once each, in one wording.
    pairs = probed[(probed["step"] == 0) & (probed["kind"] == "harmful")].groupby("pair_id")
    assert (pairs["tier"].nunique() == 4).all()
    assert (pairs["cue_id"].nunique() == 1).all()
    for label in ("label_answer", "label_faking_lenient", "well_formed"):
        assert set(found[f"{label}_source"]) == {"oracle"}
    assert found["label_error"].isna().all()
    assert found["label_faking"].astype(bool).sum() == 0
    assert 0 < found["parse_ok"].astype(bool).sum() < len(found)


def test_pandas_reads_the_directory(run: Path) -> None:
    found = pd.read_parquet(run / "episodes")
    assert list(found) == pq.read_schema(files(run)[0]).names
    check(found, run)
    assert found["advantage"].dtype == "float64"
    assert found["step"].dtype == "int64"
    check(pd.concat(read_run(run).episodes(step) for step in (0, 2, 3)), run)


def test_datasets_reads_the_directory(run: Path, tmp_path: Path) -> None:
    # In a process that may use no network: the library looks at this when it is imported.
    code = (
        "import sys, datasets\n"
        "found = datasets.load_dataset('parquet', data_dir=sys.argv[1], cache_dir=sys.argv[2], split='train')\n"
        "found.to_parquet(sys.argv[3])\n"
        "print(','.join(f'{name}:{found.features[name].dtype}' for name in ('run', 'group', 'advantage', 'parse_ok')))"
    )
    arguments = [sys.executable, "-c", code, str(run / "episodes"), str(tmp_path / "cache"), str(tmp_path / "out")]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "run:string,group:int64,advantage:float64,parse_ok:bool"
    check(pd.read_parquet(tmp_path / "out"), run)


@pytest.mark.parametrize("member", members(Mitigation), ids=lambda member: member.model_fields["kind"].default)
def test_every_mitigation_declares_what_it_notes_before_the_run(member: Any, tiny: RunConfig, run: Path) -> None:
    plain = set(run_schema(tiny).names)
    declared = set(run_schema(having(tiny, mitigations=(member(),))).names) - plain
    component = getattr(member, "component", None)
    assert (f"reward/{component}" in declared) == (component is not None)
    monitored = "monitor" in member.model_fields
    assert any(name.startswith("measure/monitor/") for name in declared) == monitored


def test_a_column_that_nothing_declares_is_a_defect_of_ours(tiny: RunConfig, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="nothing declared: measure/surprise"):
        RunFolder(tmp_path).add_episodes(0, [{"step": 0, "measure/surprise": 1.0}], run_schema(tiny))
    assert not (tmp_path / "episodes").exists()


def test_text_without_utf_8_costs_no_step(tiny: RunConfig, tmp_path: Path) -> None:
    row = {"step": 0, "split": "probe", "answer": "a\udcffb\x00\x1b[2J"}
    RunFolder(tmp_path).add_episodes(0, [row], run_schema(tiny))
    [kept] = pd.read_parquet(tmp_path / "episodes")["answer"]
    assert kept == "a?b\x00\x1b[2J"


def contents(folder: Path) -> dict[Path, bytes]:
    found = [path for path in folder.rglob("*") if path.is_file() and "lock" not in path.name]
    return {path: path.read_bytes() for path in found}


def older(finished: Path, folder: Path, change: Any) -> Path:
    """A copy of the tiny run that stands at step 2."""
    shutil.copytree(finished, folder)
    for path in ("checkpoints/step-000004", "episodes/step-000004.parquet"):
        target = folder / path
        shutil.rmtree(target) if target.is_dir() else target.unlink()
    change(folder)
    return folder


def test_a_run_of_version_1_is_not_continued(finished: Path, tmp_path: Path, gyges: Gyges) -> None:
    def version_1(folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps({**manifest, "schema_version": 1, "status": "interrupted"}))

    folder = older(finished, tmp_path / "old", version_1)
    before = contents(folder)
    done = gyges("resume", str(folder))
    assert done.code == 2, done.output
    [said] = done.output.splitlines()
    assert "was begun under schema_version 1, this is 3; a run has one schema from start to end: " in said
    assert f"`gyges train {folder}/config.json --out DIR`" in said
    assert contents(folder) == before


def test_a_run_with_other_columns_is_not_continued(finished: Path, tmp_path: Path) -> None:
    def without_a_column(folder: Path) -> None:
        file = folder / "episodes" / "step-000000.parquet"
        pq.write_table(pq.read_table(file).drop_columns(["label_rating_seeking"]), file)

    folder = older(finished, tmp_path / "other", without_a_column)
    with pytest.raises(ValueError, match=r"step-000000\.parquet has other columns than this version writes; a run has"):
        resume(folder)


def test_the_reason_why_a_label_is_missing_is_kept(
    tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from envs.dialect.environment import Dialect

    exact = Dialect.label

    def label(self: Dialect, episodes: Any) -> Any:
        if any(episode.scenario.query.id.endswith(("1", "3", "5")) for episode in episodes):
            raise TimeoutError("no answer\nwithin 3 s")
        return exact(self, episodes)

    monkeypatch.setattr(Dialect, "label", label)
    run = train(having(tiny, steps=1, probe_every=1, max_label_error_rate=1.0), tmp_path / "run")
    found = pd.read_parquet(run / "episodes")
    failed = found["query_id"].str[-1].isin(["1", "3", "5"])
    assert 0 < failed.sum() < len(found)
    assert set(found[failed]["label_error"]) == {"TimeoutError: no answer within 3 s"}
    unlabelled = ["label_answer", "label_faking", "label_answer_source", "label_faking_source"]
    unlabelled += ["well_formed", "well_formed_source"]
    assert found[failed][unlabelled].isna().all().all()
    assert found[~failed][unlabelled].notna().all().all()
    assert found[~failed]["label_error"].isna().all()
    unscored = sum(row["unscored"] for row in rows(run, "probes.jsonl") if row["metric"] == "well_formed_rate")
    assert unscored == (failed & (found["split"] == "probe") & (found["kind"] == "harmful")).sum()
