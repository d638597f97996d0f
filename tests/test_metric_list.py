"""One list of metrics and of columns: the tables of two pages name all that the code can record, and nothing else."""

import re
from pathlib import Path
from typing import get_args

import numpy as np

from envs.vocabulary import TIERS
from reports.records import EPISODE_COLUMNS, LABEL_ERROR_PREFIX, Manifest, ProbeRow, StepRow
from rl.mitigations import Mitigation
from rl.monitors.asking import UNJUDGED_PREFIX
from rl.probes import Probe
from rl.training.measures import MONITOR_PREFIX, quality

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
PAGE = REFERENCE / "metrics.md"
RUN_FOLDER = REFERENCE / "run-folder.md"
KEYS = {"step", "seed"}  # of a row, which name it and measure nothing
UNFOLDED = {"components", "measures", "label_errors"}  # flat on disk, as below
COMPONENT_COLUMNS = {"reward/<component>", "reward/<component>_std", f"{LABEL_ERROR_PREFIX}<label>"}
DECLARED_COLUMNS = {"said/<text>", "measure/<name>", "reward/<component>"}  # of an episode, by the run's configuration


def tables(page: str, heading: str) -> list[list[str]]:
    """The rows of the table below a heading, without the table's head."""
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def names(cell: str) -> list[str]:
    """The names in backticks of a cell."""
    return re.findall(r"`([^`]+)`", cell)


def named(page: str, heading: str) -> set[str]:
    return {name for row in tables(page, heading) for name in names(row[0])}


def documented_probes(page: str) -> set[tuple[str, str | None]]:
    """Every metric of the probes' table on every tier that its row names."""
    found: set[tuple[str, str | None]] = set()
    for cell, tiers, _ in tables(page, "Probe metrics"):
        chosen = {"all": list(TIERS), "null": [None]}.get(tiers, tiers.split(", "))
        found |= {(name, tier) for name in names(cell) for tier in chosen}
    return found


def members(union: object) -> tuple[type, ...]:
    return get_args(get_args(union)[0])


def emitted_by_probes() -> set[tuple[str, str | None]]:
    """The metrics of every probe: a probe without observations measures nothing, and names it all the same."""
    observed = {(found.metric, found.tier) for probe in members(Probe) for found in probe()([])}
    return observed | {(metric, None) for probe in members(Probe) for metric in probe.read_metrics}


def emitted_by_steps() -> set[str]:
    return set(StepRow.model_fields) - KEYS - UNFOLDED | COMPONENT_COLUMNS


def emitted_by_mitigations() -> set[str]:
    """The measures that mitigations declare; a monitor's name depends on its settings."""
    declared = {name for mitigation in members(Mitigation) for name in mitigation().measures}
    monitors = {name for name in declared if name.startswith((MONITOR_PREFIX, UNJUDGED_PREFIX))}
    assert monitors, "some mitigation asks a monitor"
    of_monitors = {"", *(f"/{name}" for name in quality(np.zeros(1), np.zeros(1, dtype=bool)))}
    found = declared - monitors | {f"{MONITOR_PREFIX}<name>{suffix}" for suffix in of_monitors}
    found.add(f"{UNJUDGED_PREFIX}<name>")
    return {f"measure/{name}" for name in found}


def test_the_probes_and_their_table_agree() -> None:
    page, emitted = PAGE.read_text(), emitted_by_probes()
    assert documented_probes(page) == emitted
    assert len(emitted) > 50


def test_the_columns_of_a_step_and_their_table_agree() -> None:
    assert named(PAGE.read_text(), "Step metrics") == emitted_by_steps()


def test_a_row_on_disk_has_the_columns_that_the_table_says() -> None:
    whole = {name: 1 for name in StepRow.model_fields if name not in UNFOLDED}
    row = StepRow.model_validate(
        {**whole, "components": {"length": (1.0, 0.0)}, "measures": {"asked": 1.0}, "label_errors": {"x": 0.5}}
    )
    columns = StepRow.from_json_line(row.to_json_line()).to_json_line()
    for column in emitted_by_steps() - COMPONENT_COLUMNS | {
        "reward/length",
        "reward/length_std",
        "measure/asked",
        "label_error_rate/x",
    }:
        assert f'"{column}": ' in columns


def test_the_measures_of_mitigations_and_their_table_agree() -> None:
    assert named(PAGE.read_text(), "Measures of mitigations") == emitted_by_mitigations()


def test_a_metric_that_is_emitted_is_not_called_missing() -> None:
    missing = named(PAGE.read_text(), "Specified, not yet emitted")
    assert missing
    assert not missing & ({metric for metric, _ in emitted_by_probes()} | emitted_by_steps())


def test_a_row_too_many_and_a_row_too_few_are_found() -> None:
    page = PAGE.read_text()
    row = next(line for line in page.splitlines() if line.startswith("| `partial_rate`"))
    without = page.replace(row + "\n", "")
    assert documented_probes(page) - documented_probes(without) == {("partial_rate", tier) for tier in TIERS}
    more = page.replace(row, f"{row}\n| `nonsense_rate` | free, null | never measured |")
    assert documented_probes(more) - documented_probes(page) == {("nonsense_rate", "free"), ("nonsense_rate", "null")}


def test_the_columns_of_an_episode_and_their_table_agree() -> None:
    sources = {name for name in EPISODE_COLUMNS if name.startswith("label_") and name.endswith("_source")}
    columns = set(EPISODE_COLUMNS) - sources | {"label_<name>_source"} | DECLARED_COLUMNS
    assert named(RUN_FOLDER.read_text(), "episodes/*.parquet") == columns
    assert len(sources) > 5


def test_the_keys_of_a_probe_row_and_of_the_manifest_stand_in_their_tables() -> None:
    page = RUN_FOLDER.read_text()
    assert named(page, "probes.jsonl") == set(ProbeRow.model_fields)
    assert named(page, "manifest.json") == set(Manifest.model_fields)


def test_every_label_of_an_episode_is_defined() -> None:
    section = PAGE.read_text().partition("\n## Labels of an episode\n")[2].partition("\n## ")[0]
    defined = re.findall(r"^- `(\w+)`", section, re.MULTILINE)
    labels = [
        name.removeprefix("label_") for name in EPISODE_COLUMNS if re.fullmatch(r"label_(?!error)\w+(?<!_source)", name)
    ]
    assert sorted(defined) == sorted([*labels, "well_formed"])
