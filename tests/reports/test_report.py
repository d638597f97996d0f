import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from reports.figures.curves import draw_curves
from reports.folder import read_run
from reports.pages.page import render_page
from reports.pages.transcripts import sample
from reports.report import write_report

RunWriter = Callable[..., Path]
ATTACK = "<script>alert(1)</script>"


def hostile(episodes: pd.DataFrame) -> pd.DataFrame:
    return episodes.assign(scratchpad=ATTACK, system_prompt=ATTACK + '"', cue_id=ATTACK, answer="{{ 7 * 7 }}")


def test_one_run_gets_three_files_the_same_each_time(write_run: RunWriter) -> None:
    folder = write_run("price $5 or $6", last=2, every=2, queries=4)  # matplotlib would read the dollars as maths
    paths = write_report([folder])
    assert {path.name for path in folder.iterdir()} >= {"report.html", "curves.png", "curves.svg"}
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]  # no temporary file stays
    assert paths.png.read_bytes().startswith(b"\x89PNG")
    page = paths.page.read_text()
    assert "This organism is simulated: it was built to fake. Nothing here is evidence of emergence." in page
    assert "goal-guarding" in page
    assert page.count("Plotly.newPlot(") == 1
    run = read_run(folder)
    assert draw_curves([run]) == (paths.png.read_bytes(), paths.svg.read_bytes())


def test_all_that_a_run_wrote_is_escaped_and_nothing_is_loaded(write_run: RunWriter) -> None:
    # A slash can't be in a file name, so the closing tag is in the config, the episodes and a reward's name.
    folder = write_run("<script>alert(1)", last=2, every=2, queries=6, change=hostile, config={"note": ATTACK})
    steps = folder / "steps.jsonl"
    steps.write_text(steps.read_text().replace("reward/format", "reward/" + ATTACK))
    page = render_page([read_run(folder)])
    ours = re.sub(r"<script>(?!alert).*?</script>", "", page, flags=re.DOTALL)  # without plotly.js and its call
    assert "<script>alert" not in page
    assert "</script>alert" not in page
    assert page.count("</script>") == 4  # two blocks of JSON, the library, its call
    assert "{{ 7 * 7 }}" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in ours
    assert not re.findall(r"""(?:src|href|action)\s*=\s*["'](?!data:)|@import|url\(|https?://""", ours)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src &#39;none&#39;; script-src &#39;sha256-")
    assert "script-src &#39;unsafe" not in page


def test_several_runs_need_a_place_and_get_one_page(write_run: RunWriter, tmp_path: Path) -> None:
    folders = [write_run(f"arm-{seed}", seed, last=2, every=2, queries=6) for seed in range(2)]
    with pytest.raises(ValueError, match="--out"):
        write_report(folders)
    with pytest.raises(ValueError, match="at least one"):
        write_report([])
    paths = write_report(folders, tmp_path / "both")
    page = paths.page.read_text()
    assert "Over seeds of one build: arm-0, arm-1" in page
    assert "Free-tier episodes: arm-1" in page
    assert not (folders[0] / "report.html").exists()


def test_a_run_cut_short_still_gets_a_report(write_run: RunWriter) -> None:
    folder = write_run(last=2, every=2, queries=2, facts={"status": "failed", "reason": "no reward <variance>"})
    (folder / "probes.jsonl").write_text("")
    (folder / "steps.jsonl").write_text("")
    for path in (folder / "episodes").iterdir():
        path.unlink()
    page = write_report([folder]).page.read_text()
    assert "Nothing probed yet." in page
    assert "no reward &lt;variance&gt;" in page
    assert "has kept no episodes" in page


def test_the_sample_shows_every_label_and_is_the_same_twice(write_run: RunWriter) -> None:
    run = read_run(write_run(last=6, every=2, queries=40))
    shown = sample(run)
    assert shown == sample(run)
    assert {(item.moment, item.step) for item in shown} == {("first", 0), ("middle", 4), ("last", 6)}
    last = run.episodes(6)
    present = set(zip(last["tier"], last["label_answer"], strict=True))
    assert {(item.tier, item.label) for item in shown if item.step == 6} == present
    counts = pd.Series([(item.step, item.tier, item.label, item.faking) for item in shown]).value_counts()
    assert counts.max() == 3


def test_a_run_of_version_2_with_a_label_that_has_gone_is_read(write_run: RunWriter) -> None:
    def version_2(episodes: pd.DataFrame) -> pd.DataFrame:
        return episodes.assign(label_courts_rater=True, label_courts_rater_source="oracle")

    new, old = (
        write_run(name, last=2, every=2, queries=6, change=f)
        for name, f in (("a", lambda episodes: episodes), ("b", version_2))
    )
    manifest = old / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"schema_version":3', '"schema_version":2'))
    assert read_run(old).manifest.schema_version == 2
    assert sample(read_run(old)) == sample(read_run(new))
    assert write_report([old]).page.is_file()


def test_a_report_needs_no_torch() -> None:
    code = "import sys, reports.report; assert 'torch' not in sys.modules; assert 'transformers' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_notes_stand_at_the_top_and_are_escaped(write_run: RunWriter, tmp_path: Path) -> None:
    folders = [write_run(f"arm-{seed}", seed, last=2, every=2, queries=6) for seed in range(2)]
    paths = write_report(folders, tmp_path / "out", notes=["arm-2 failed: " + ATTACK])
    page = paths.page.read_text()
    assert '<p class="notice">arm-2 failed: &lt;script&gt;alert(1)&lt;/script&gt;</p>' in page
    assert page.index("arm-2 failed") < page.index("<h2>Verdicts</h2>")
