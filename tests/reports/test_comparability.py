"""Runs that can't be compared as they are say so, on an overlay and on a study alike."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape

from reports.folder import read_run
from reports.pages.comparability import FACTS, overlay_notices
from reports.pages.page import render_page
from reports.report import write_report
from reports.study.cells import study_of
from reports.study.notices import study_notices
from reports.study.page import render_study
from reports.study.panels import drawing_of
from reports.study.study import write_study
from reports.study.table import table
from reports.study.written_table import as_text

RunWriter = Callable[..., Path]

PROBED = {"probe_queries": 256, "harmless_queries": None}
ENVIRONMENT = {"queries": "0e", "prompts": "0f", "labels": "oracle"}
PACKAGES = {"torch": "2.13.0", "gyges": "0.1.0"}
# The name of a fact, the other run's value in place of it, and the notice about both.
CASES: dict[str, tuple[str, dict[str, Any], str]] = {
    "build": ("different builds of their organism", {"facts": {"organism_hash": "00aa"}}, "organism_hash 00aa"),
    "reward": ("different builds of a reward", {"facts": {"reward_hashes": {"preference": "0"}}}, "preference 0"),
    "sizes": (
        "other numbers of queries", {"config": {**PROBED, "probe_queries": 8}}, "harmless_queries 2, probe_queries 8",
    ),
    "harmless": ("other numbers of queries", {"config": {**PROBED, "harmless_queries": 8}}, "harmless_queries 8"),
    "prompts": ("on other prompts", {"facts": {"prompt_set_hashes": {"harmful": "00cc"}}}, "harmful 00cc"),
    "env": ("in other environments", {"facts": {"environment": {**ENVIRONMENT, "queries": "1e"}}}, "queries 1e"),
    "folded": ("in another place", {"facts": {"system_text_folded": True}}, "system_text_folded True"),
    "tokens": ("as other tokens", {"facts": {"prompt_token_hashes": {"harmful": "00dd"}}}, "harmful 00dd"),
    "device": ("another device or number of threads", {"facts": {"device": "cuda:0"}}, "device cuda:0"),
    "threads": ("another device or number of threads", {"facts": {"thread_count": 2}}, "threads 2"),
    "kernels": ("deterministic kernels", {"facts": {"deterministic": False}}, "deterministic False"),
    "precision": ("in another precision", {"facts": {"precision": "bfloat16"}}, "precision bfloat16"),
    "labels": ("labelled by another source", {"facts": {"label_source": "judge"}}, "label_source judge"),
    "steps": ("other numbers of steps", {"last": 4}, "last step 4"),
    "code": ("by other code", {"facts": {"code_commit": "b2"}}, "code_commit b2"),
    "changes": ("by other code", {"facts": {"code_dirty": True}}, "code_commit a1916ba with local changes"),
    "packages": (
        "other package versions", {"facts": {"package_versions": {**PACKAGES, "torch": "2.12.1"}}}, "torch 2.12.1",
    ),
    "schema": ("under another schema", {"facts": {"schema_version": 1}}, "schema_version 1"),
}  # fmt: skip


def write(write_run: RunWriter, name: str, **changes: Any) -> Path:
    facts: dict[str, Any] = {"deterministic": True, "environment": ENVIRONMENT}
    facts |= {"prompt_token_hashes": {"harmful": "0d", "training": name}}
    facts |= changes.pop("facts", {})
    return write_run(name, **{"last": 2, "every": 2, "queries": 6, "config": PROBED, "facts": facts, **changes})


def test_runs_that_share_everything_have_no_notice(write_run: RunWriter) -> None:
    # Another seed draws other prompts, which is how they are meant.
    seeds = [
        write(
            write_run,
            f"arm-{seed}",
            seed=seed,
            facts={"prompt_set_hashes": {"harmful": f"{seed}"}, "prompt_token_hashes": {"harmful": f"{seed}"}},
        )
        for seed in range(3)
    ]
    runs = [read_run(folder) for folder in seeds]
    assert overlay_notices(runs) == overlay_notices(runs[:1]) == study_notices(study_of(runs)) == []


def two_that_differ(write_run: RunWriter, changes: dict[str, Any]) -> list[Path]:
    other = {**changes, "config": {**PROBED, **changes.get("config", {}), "name": "three"}}
    return [write(write_run, "one"), write(write_run, "three", **other)]


@pytest.mark.parametrize("case", CASES)
def test_each_fact_in_which_runs_differ_is_told_on_both_pages(case: str, write_run: RunWriter) -> None:
    what, changes, told = CASES[case]
    runs = [read_run(folder) for folder in two_that_differ(write_run, changes)]
    [line] = overlay_notices(runs)
    assert what in line
    assert line.startswith("these runs ")
    assert "unlike one (" in line
    assert f"three ({told})" in line
    assert f'<p class="notice">{escape(line)}</p>' in render_page(runs)
    study = study_of(runs)
    told_of_study = study_notices(study)
    [said] = [text for text in told_of_study if what in text]
    assert told in said
    rows = table(study)
    # Without its picture, which takes longer to draw than all the rest.
    assert f'<p class="notice">{escape(said)}</p>' in render_study(drawing_of(study), rows, b"", told_of_study)
    assert f"notice: {said}" in as_text(study, rows, told_of_study)


def test_the_pages_on_disk_and_the_text_tell_it_too(write_run: RunWriter, tmp_path: Path) -> None:
    what, changes, told = CASES["build"]
    folders = two_that_differ(write_run, changes)
    study = write_study(folders, tmp_path / "study")
    for page in (write_report(folders, tmp_path / "overlay").page, study.page):
        [line] = [line for line in page.read_text().splitlines() if '<p class="notice">' in line and what in line]
        assert told in line
    assert any(line.startswith("notice: ") and told in line for line in study.text.splitlines())


def test_every_fact_is_tried() -> None:
    assert all(any(what in fact.what for what, _, _ in CASES.values()) for fact in FACTS)


def test_other_organisms_are_other_builds_and_that_is_no_notice(write_run: RunWriter) -> None:
    folders = [
        write(write_run, name, facts={"organism": name, "organism_hash": digest})
        for name, digest in (("faker", "aa"), ("honest", "bb"))
    ]
    assert overlay_notices([read_run(folder) for folder in folders]) == []


def test_a_default_number_of_harmless_queries_is_the_same_as_that_number_by_name(write_run: RunWriter) -> None:
    # Prompts of one draw: a difference is told, unless the sizes differ.
    named = {"config": {**PROBED, "harmless_queries": 64}, "facts": {"prompt_set_hashes": {"harmful": "00cc"}}}
    [line] = overlay_notices([read_run(write(write_run, "null")), read_run(write(write_run, "named", **named))])
    assert "on other prompts" in line


@pytest.mark.parametrize("older", [{"deterministic": None}, {"prompt_token_hashes": {}}, {"environment": {}}])
def test_a_folder_from_before_a_fact_was_recorded_differs_in_nothing_known(
    older: dict[str, Any], write_run: RunWriter
) -> None:
    assert overlay_notices([read_run(write(write_run, "new")), read_run(write(write_run, "old", facts=older))]) == []


def test_a_single_run_says_nothing_of_comparisons(write_run: RunWriter) -> None:
    page = write_report([write(write_run, "alone")]).page.read_text()
    assert "these runs" not in page


def test_other_builds_have_tokenizers_of_their_own_and_that_is_no_second_notice(write_run: RunWriter) -> None:
    folders = [
        write(
            write_run,
            f"build-{build}",
            facts={"organism_hash": build, "prompt_token_hashes": {"harmful": f"tokens of {build}"}},
        )
        for build in ("aa", "bb")
    ]
    said = overlay_notices([read_run(folder) for folder in folders])
    assert len(said) == 1
    assert "organism_hash" in said[0]
