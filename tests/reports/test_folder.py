from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from reports.folder import read_run
from reports.pages.transcripts import sample
from reports.records import EPISODE_COLUMNS
from reports.report import write_report
from reports.summary import as_text, summarise

RunWriter = Callable[..., Path]


def test_a_run_reads_back(write_run: RunWriter) -> None:
    run = read_run(write_run("arm-3", seed=3, last=4, every=2, queries=4))
    assert (run.name, run.manifest.seed, run.config["recipe"]) == ("arm-3", 3, "baseline")
    assert run.steps["step"].tolist() == [1, 2, 3, 4]
    assert "reward/preference_std" in run.steps
    assert run.probed_steps() == run.episode_steps() == [0, 2, 4]
    assert len(run.episodes(2)) == 16  # four queries on four tiers
    with pytest.raises(ValueError, match="steps that have some: 0, 2, 4"):
        run.episodes(3)


def test_a_half_written_last_line_is_ignored_and_a_damaged_one_named(write_run: RunWriter) -> None:
    folder = write_run(last=4, every=2, queries=2)
    before = len(read_run(folder).steps)
    steps = folder / "steps.jsonl"
    whole = steps.read_bytes()
    steps.write_bytes(whole + '{"step": 5, "loss": "ü'.encode()[:-1])  # cut in the middle of a letter
    assert len(read_run(folder).steps) == before
    lines = whole.split(b"\n")
    lines[1] = lines[1][:20]
    steps.write_bytes(b"\n".join(lines))
    with pytest.raises(ValueError, match=r"steps\.jsonl:2: damaged row .*; mend or remove it$"):
        read_run(folder)


def test_an_unknown_key_is_named_with_its_line(write_run: RunWriter) -> None:
    folder = write_run(last=2, every=2, queries=2)
    probes = folder / "probes.jsonl"
    probes.write_text(probes.read_text().replace('"n":', '"count":', 1))
    with pytest.raises(ValueError, match=r"probes\.jsonl:1: damaged row \((n|count): "):
        read_run(folder)


def test_a_row_that_a_resumed_run_repeats_counts_once_the_later(write_run: RunWriter) -> None:
    folder = write_run(last=4, every=2, queries=2)
    lines = (folder / "steps.jsonl").read_text().splitlines()
    (folder / "steps.jsonl").write_text(
        "\n".join([*lines, lines[2].replace('"seconds_probe": 1.0', '"seconds_probe": 9.0'), ""])
    )
    run = read_run(folder)
    assert run.steps["step"].tolist() == [1, 2, 3, 4]
    assert run.steps["seconds_probe"].tolist() == [1.0, 1.0, 9.0, 1.0]


def test_bad_folders_say_the_fix_in_one_line(write_run: RunWriter, tmp_path: Path) -> None:
    folder = write_run(last=2, every=2, queries=2)
    manifest = folder / "manifest.json"
    good = manifest.read_text()
    for content, message in (
        (good.replace('"schema_version":3', '"schema_version":9'), "schema_version is 9, this gyges reads 1, 2, 3"),
        (good.replace('"finished"', '"perhaps"'), "restore it from a copy"),
        ("{", "not JSON"),
        ("[]", "one JSON object"),
    ):
        manifest.write_text(content)
        with pytest.raises(ValueError, match=message) as error:
            read_run(folder)
        assert "\n" not in str(error.value)
    manifest.unlink()
    with pytest.raises(ValueError, match=r"not a run folder: it has no manifest\.json; name a folder"):
        read_run(folder)
    with pytest.raises(ValueError, match="does not exist"):
        read_run(tmp_path / "nowhere")


def test_a_run_that_has_only_started_is_readable(write_run: RunWriter) -> None:
    folder = write_run(last=2, every=2, queries=2)
    (folder / "steps.jsonl").unlink()
    (folder / "probes.jsonl").write_text("")
    run = read_run(folder)
    assert run.steps.empty
    assert run.probed_steps() == []


def test_a_damaged_parquet_file_is_named(write_run: RunWriter) -> None:
    folder = write_run(last=2, every=2, queries=2)
    (folder / "episodes" / "step-000002.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ValueError, match=r"step-000002\.parquet: unreadable"):
        read_run(folder).episodes(2)


def test_a_folder_of_version_1_is_read_under_todays_names(write_run: RunWriter) -> None:
    """Version 1 had other names, no columns without values, and labels of every type."""
    folder = write_run(last=4, every=2, queries=6)
    new = read_run(folder)
    shown = (as_text(summarise(new)), [replace(item, cue="") for item in sample(new)])
    for file in (folder / "episodes").iterdir():
        kept = pd.read_parquet(file)
        old = kept.rename(columns={"kind": "query_kind"}).assign(cue_seen=kept["cues"] == "seen")
        absent = [name for name in old if old[name].isna().all() or name.endswith("_source")]
        old = old.drop(columns=[*absent, "cues", "run", "build", "seed", "sample", "pair_id"])
        old.to_parquet(file)
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"schema_version":3', '"schema_version":1'))
    run = read_run(folder)
    found = run.episodes(2)
    assert list(found)[: len(EPISODE_COLUMNS)] == EPISODE_COLUMNS
    assert set(found["cues"]) == {"seen", "held_out"}
    assert set(found["kind"]) == {"harmful"}
    assert (found["pair_id"] == found["query_id"]).all()
    assert set(found["label_faking_source"]) == {"oracle"}
    assert found["label_rating_seeking"].isna().all()
    assert (set(found["run"]), set(found["build"]), set(found["seed"])) == ({"baseline-0"}, {"5f3a"}, {0})
    assert (as_text(summarise(run)), [replace(item, cue="") for item in sample(run)]) == shown
    assert write_report([folder]).page.is_file()
