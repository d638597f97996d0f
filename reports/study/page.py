"""`study.html`: organisms x arms, as one file that opens without a network."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from reports.builds import disclosed
from reports.folder import Run
from reports.notices import label_note
from reports.pages.document import render
from reports.records import Manifest
from reports.study.measures import Noted
from reports.study.panels import NOTICE, Drawing, band_note, look, unit
from reports.study.plots import DRAW, study_plots
from reports.study.table import METRICS, Row, comparisons
from reports.study.written_table import SURVIVES, collapsed_runs, null_note, scope_note, shown, spread_lines
from reports.summary import show

MANY = 12  # rows of a table that is folded away


def render_study(
    drawing: Drawing, rows: Sequence[Row], svg: bytes, notices: Sequence[str] = (), measures: Sequence[Noted] = ()
) -> str:
    """Render the whole page as text; all text that a run wrote is escaped, and so are the notices at its top."""
    study = drawing.study
    return render(
        "study.html.jinja",
        draw=DRAW,
        plots=study_plots(drawing),
        notice=disclosed(study.runs, NOTICE),
        study=study,
        looks=[look(study, arm) for arm in study.arms],
        note=band_note(study),
        unit=unit(study),
        scope=scope_note(study),
        null=null_note(rows),
        collapsed_runs=collapsed_runs,
        mark=SURVIVES,
        spread_lines=spread_lines,
        picture="data:image/svg+xml;base64," + base64.b64encode(svg).decode(),
        tables=[(organism, [row for row in rows if row.cell.organism == organism]) for organism in study.organisms],
        measures=_by_organism(measures),
        measure_labels=label_note(study.runs, *dict.fromkeys(noted.measure for noted in measures)),
        many=MANY,
        metrics=METRICS,
        comparisons=comparisons(rows),
        unfinished=[run for run in study.runs if run.manifest.status != "finished"],
        facts=_facts(study.runs),
        notices=notices,
        shown=shown,
        show=show,
    )


def _by_organism(measures: Sequence[Noted]) -> list[tuple[str, list[Noted]]]:
    organisms = dict.fromkeys(noted.cell.organism for noted in measures)
    return [(organism, [noted for noted in measures if noted.cell.organism == organism]) for organism in organisms]


def _facts(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """List facts of the manifests: for each, the shared value or every value that occurs."""
    manifests = [run.manifest for run in runs]

    def all_of(name: str) -> str:
        return ", ".join(sorted({str(getattr(manifest, name)) for manifest in manifests}))

    started, finished = min(m.started for m in manifests), max(m.finished or "" for m in manifests)
    return [
        ("runs", str(len(manifests))),
        ("organisms", ", ".join(sorted({f"{m.organism} ({m.organism_hash})" for m in manifests}))),
        ("labels by", all_of("label_source")),
        ("rewards", ", ".join(sorted({pair for m in manifests for pair in _rewards(m)})) or "none"),
        ("first started, last finished (UTC)", f"{started}, {finished or 'not yet'}"),
        ("devices; threads", f"{all_of('device')}; {all_of('thread_count')}"),
        ("code", all_of("code_commit") + (", with local changes" if any(m.code_dirty for m in manifests) else "")),
    ]


def _rewards(manifest: Manifest) -> list[str]:
    return [f"{name} {value}" for name, value in manifest.reward_hashes.items()]
