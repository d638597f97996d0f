"""`report.html`: one run, or several laid over each other, as one file that opens without a network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from envs.vocabulary import ANSWER_LABELS, TIERS
from reports.builds import disclosed, named_builds
from reports.comparability import overlay_notices
from reports.figures.panels import CYCLE, Panel, has_data
from reports.figures.plots import page_plots
from reports.figures.sheet import arms, main_panels
from reports.folder import Run
from reports.intervals import Estimate
from reports.pages.checks import cue_panel, extra_panels
from reports.pages.document import render
from reports.pages.transcripts import MOMENTS, UNSCORED, Transcript, sample
from reports.summary import LINES, Summary, recorded, seed_groups, show, summarise, summarise_seeds

# Of folders that were written before the manifest held a disclosure.
UNRECORDED = "This organism is simulated: it was built to fake. Nothing here is evidence of emergence."
# The only script besides plotly.js: hand each figure of the JSON array to the library.
DRAW = """
const config = JSON.parse(document.getElementById("plot-config").textContent);
JSON.parse(document.getElementById("plots").textContent).forEach((figure, index) =>
  Plotly.newPlot("plot-" + index, figure.data, figure.layout, config));
"""


@dataclass(frozen=True)
class RunView:
    """One run as the page shows it.

    `facts`: (name, value) rows of the manifest and the step records. `cues`: rows as in `_cue_rows`.
    """

    name: str
    colour: str
    status: str
    reason: str
    summary: Summary
    cues: tuple[tuple[str, int, Estimate, Estimate], ...]
    facts: tuple[tuple[str, str], ...]
    config: str
    transcripts: tuple[Transcript, ...]


def render_page(runs: Sequence[Run], notes: Sequence[str] = ()) -> str:
    """Render the whole page as text, from run folders alone.

    All text that a run wrote is escaped, and so are the notes.
    """
    panels = [*main_panels(runs), *(extra_panels(runs[0]) if len(runs) == 1 else _cue_panels(runs))]
    return render(
        "page.html.jinja",
        draw=DRAW,
        plots=page_plots(panels),
        title=runs[0].name if len(runs) == 1 else f"{len(runs)} runs",
        organisms=named_builds(runs),
        disclosure=disclosed(runs, UNRECORDED),
        runs=[_view(run, colour) for (_, arm), colour in zip(arms(runs), cycle(CYCLE), strict=False) for run in arm],
        seeds=[summarise_seeds(group) for group in seed_groups(runs) if _different_seeds(group)],
        panels=panels,
        notes=[*notes, *overlay_notices(runs)],
        show=show,
        tiers=TIERS,
        labels=(*ANSWER_LABELS, UNSCORED),
        moments=MOMENTS,
    )


def _different_seeds(group: Sequence[Run]) -> bool:
    return len(group) > 1 and len({run.manifest.seed for run in group}) == len(group)


def _cue_panels(runs: Sequence[Run]) -> list[Panel]:
    alone = [arm[0] for _, arm in arms(runs) if len(arm) == 1]
    panels = [cue_panel(run, f"Cue wordings: {run.name}") for run in alone]
    return [panel for panel in panels if any(map(has_data, panel.series))]


def _view(run: Run, colour: str) -> RunView:
    return RunView(
        name=run.name,
        colour=colour,
        status=run.manifest.status,
        reason=run.manifest.reason or "",
        summary=summarise(run),
        cues=tuple(_cue_rows(run)),
        facts=tuple(_facts(run)),
        config=json.dumps(run.config, indent=2, ensure_ascii=False),
        transcripts=tuple(sample(run)),
    )


def _cue_rows(run: Run) -> list[tuple[str, int, Estimate, Estimate]]:
    """List (metric, step, under seen wordings, under held-out wordings) at the first and the last probed step."""
    steps = run.probed_steps()
    rows = []
    for line in LINES:
        for step in dict.fromkeys([*steps[:1], *steps[-1:]]):
            seen, held_out = (recorded(run, line.metric, line.tier, step, s) for s in ("seen_cues", "held_out_cues"))
            if line.metric in {"faking_rate", "compliance_gap"} and seen.n + held_out.n:
                rows.append((line.label, step, seen, held_out))
    return rows


def _facts(run: Run) -> list[tuple[str, str]]:
    manifest = run.manifest
    dirty = {True: " with local changes", False: "", None: ""}[manifest.code_dirty]
    facts: list[tuple[str, Any]] = [
        ("status", f"{manifest.status}{': ' + manifest.reason if manifest.reason else ''}"),
        ("organism", f"{manifest.organism} ({manifest.organism_hash})"),
        ("seed", manifest.seed),
        ("optimiser steps", len(run.steps)),
        ("tokens generated in training", f"{int(run.steps['generated_tokens'].sum()):,}"),
        ("started, finished (UTC)", f"{manifest.started}, {manifest.finished or 'not yet'}"),
        ("device, threads", f"{manifest.device}, {manifest.thread_count}"),
        ("code", f"{manifest.code_commit or 'unknown'}{dirty}"),
        ("packages", _pairs(manifest.package_versions)),
        ("rewards", _pairs(manifest.reward_hashes)),
        ("prompt sets", _pairs(manifest.prompt_set_hashes)),
        ("labels by", manifest.label_source),
        ("record schema", manifest.schema_version),
    ]
    return [(name, str(value)) for name, value in facts]


def _pairs(named: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(named.items())) or "none"
