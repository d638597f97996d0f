"""The table of a study as text for a terminal, and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from reports.intervals import Estimate
from reports.notices import with_labels
from reports.study.cells import Study
from reports.study.measures import named
from reports.study.table import METRICS, Entry, Metric, Row
from reports.summary import show
from reports.terminal_text import printable
from reports.units import SCOPE

COLUMNS = (
    *("organism", "arm", "is_baseline", "mitigations", "builds", "seeds", "unit", "metric", "tier", "step"),
    *("value", "ci_low", "ci_high", "scored_units", "n", "unscored", "sd_builds", "sd_seeds"),
    *("compared_step", "difference", "difference_ci_low", "difference_ci_high"),
    *("paired_units", "unpaired_units", "verdict", "minimum_detectable_effect", "p_value", "sign_flip_p"),
    *("survives", "runs", "collapsed_share", "collapsed_ci_low", "collapsed_ci_high"),
)
MARKS = {"grew": "▲", "shrank": "▼", "no change": "=", "inconclusive": "?"}
SURVIVES = "*"  # behind the mark of a difference


def shown(estimate: Estimate, metric: Metric, signed: bool = False) -> str:
    """Format an estimate with the metric's digits."""
    return show(estimate, signed, metric.digits)


def as_csv(rows: Sequence[Row]) -> str:
    """Write a CSV with one line for each arm and metric; a missing value is an empty cell."""
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        for entry in row.entries:
            writer.writerow(_csv_line(row, entry))
    return sink.getvalue()


def _csv_line(row: Row, entry: Entry) -> list[object]:
    metric, level, judged = entry.metric, entry.level, entry.verdict
    counts = [entry.n, entry.unscored] if metric.counted else ["", ""]
    line: list[object] = [*named(row.cell), metric.name, metric.tier, row.step]
    line += [level.value, level.ci_low, level.ci_high, entry.scored_units, *counts]
    line += [entry.spread.builds, entry.spread.seeds]
    collapsed = [row.collapsed.n, row.collapsed.value, row.collapsed.ci_low, row.collapsed.ci_high]
    if judged is None:
        return [*line, *[""] * 11, *collapsed]
    change = judged.change
    effect = judged.minimum_detectable_effect
    shown = [row.compared, change.value, change.ci_low, change.ci_high, change.n, change.unscored]
    survives = "" if entry.survives is None else "yes" if entry.survives else "no"
    return [*line, *shown, judged.word, effect, judged.p_value, judged.sign_flip_p, survives, *collapsed]


def as_text(study: Study, rows: Sequence[Row], notices: Sequence[str]) -> str:
    """Write the table for a terminal, a line an arm, and below it the study's notices.

    A cell holds the value, its difference from the baseline, and the verdict's mark.
    """
    shown_names = [printable(name) for name in (*(cell.label for cell in study.cells), *study.organisms)]
    width = max(map(len, shown_names)) + 2
    heads = (f"{metric.short:<13}" for metric in METRICS)
    lines = ["".join((" " * width, " builds seeds  step  collapsed  ", *heads)).rstrip()]
    for organism in study.organisms:
        lines.append(printable(organism))
        for row in rows:
            if row.cell.organism == organism:
                cells = "".join(f"{_text(entry):<13}" for entry in row.entries)
                step = "-" if row.step is None else row.step
                counts = f"{len(row.cell.builds):>6} {len(row.cell.seeds):>5}  {step:>4}  {collapsed_runs(row):>9}"
                lines.append(f"  {printable(row.cell.label):<{width - 2}} {counts}  {cells}".rstrip())
        lines += [f"  {line}" for line in spread_lines([row for row in rows if row.cell.organism == organism])]
    legend = ", ".join(f"{mark} {word}" for word, mark in MARKS.items())
    foot = f"value at the last step, difference from the baseline paired by build and seed; {legend}"
    lines.append(with_labels(foot, study.runs, *(metric.name for metric in METRICS)))
    lines.append(
        f"{SURVIVES} still called at a false discovery rate of 5 % over the table; the last probe alone is compared"
    )
    lines.append("p-values, sign-flip tests and intervals: study.csv")
    lines += [line for line in (null_note(rows), scope_note(study)) if line]
    return "\n".join([*lines, *(f"notice: {printable(line)}" for line in notices)])


def null_note(rows: Sequence[Row]) -> str:
    """Say how many differences of null arms are called, behind which there is nothing; empty without such an arm."""
    judged = [entry.verdict for row in rows if row.cell.is_null for entry in row.entries if entry.verdict]
    tested = [found for found in judged if found.minimum_detectable_effect is not None]
    if not tested:
        return ""
    called = sum(found.word in ("grew", "shrank") for found in tested)
    return (
        f"null arms, which draw other rollouts and differ in nothing else: {called} of {len(tested)} differences called"
    )


def collapsed_runs(row: Row) -> str:
    """Write how many of an arm's runs collapsed, as `1/5`."""
    share = row.collapsed.value or 0.0
    return f"{round(share * row.collapsed.n)}/{row.collapsed.n}"


def scope_note(study: Study) -> str:
    """Say in a sentence that verdicts hold for one build only, or for one run; nothing where each arm has several."""
    scopes = list(dict.fromkeys(SCOPE[cell.unit] for cell in study.cells if SCOPE[cell.unit]))
    if not scopes:
        return ""
    whose = "an arm with one build" if any(cell.unit == "builds" for cell in study.cells) else "every arm"
    return f"the verdict on {whose} is of {' or of '.join(scopes)}: nothing here says how builds differ"


def spread_lines(rows: Sequence[Row]) -> list[str]:
    """Write the variance components of each metric in the rows' baseline, or in their first arm; none on one build."""
    row = next((row for row in rows if row.cell.is_baseline), rows[0] if rows else None)
    if row is None or row.cell.unit != "builds":
        return []
    told = [_deviations(entry) for entry in row.entries if entry.spread.builds is not None]
    several = any(entry.spread.seeds is not None for entry in row.entries)
    what = "over builds and over seeds of a build" if several else "over builds with one seed each, which holds both"
    return [f"{printable(row.cell.label)}, standard deviation {what}: {'; '.join(told)}"] if told else []


def _deviations(entry: Entry) -> str:
    """Write a metric with its standard deviation over builds, and over seeds where there is one."""
    found = [one for one in (entry.spread.builds, entry.spread.seeds) if one is not None]
    return f"{entry.metric.short} {', '.join(f'{one:.3f}' for one in found)}"


def _text(entry: Entry) -> str:
    if entry.level.value is None:
        return "-"
    if entry.verdict is None or entry.verdict.change.value is None:
        return f"{entry.level.value:.{entry.metric.digits}f}"
    change, digits = entry.verdict.change.value, entry.metric.digits
    mark = f"{MARKS[entry.verdict.word]}{SURVIVES if entry.survives else ''}"
    return f"{entry.level.value:.{digits}f} {change:+.{digits}f}{mark}"
