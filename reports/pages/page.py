"""`report.html`: one run, or several laid over each other, as one file that opens without a network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from envs.vocabulary import ANSWER_LABELS, TIERS
from reports.builds import INSTALLED, disclosed, named_builds, of_a_pretrained_model
from reports.figures.panels import CYCLE, Panel, has_data
from reports.figures.plots import page_plots
from reports.figures.sheet import arms, main_panels
from reports.folder import Run
from reports.intervals import Estimate
from reports.labellers.hand_labels import readings_of
from reports.labellers.read_labels import READ_LABELS
from reports.pages.checks import SPLITS, Split, extra_panels, wording_panel
from reports.pages.comparability import overlay_notices
from reports.pages.document import render
from reports.pages.guards import LAST_STEPS, GuardRow, guard_rows
from reports.pages.judges import judge_facts
from reports.pages.transcripts import MOMENTS, UNSCORED, Transcript, sample
from reports.summary import LINES, Summary, recorded, show, summarise, summarise_arm
from reports.units import arms_of, place_of, places_are_distinct

# Of folders that were written before the manifest held a disclosure.
UNRECORDED = "This organism is simulated: it was built to fake. Nothing here is evidence of emergence."
# The only script besides plotly.js: hand each figure of the JSON array to the library.
DRAW = """
const config = JSON.parse(document.getElementById("plot-config").textContent);
JSON.parse(document.getElementById("plots").textContent).forEach((figure, index) =>
  Plotly.newPlot("plot-" + index, figure.data, figure.layout, config));
"""


WordingRow = tuple[str, int, Estimate, Estimate]  # metric, step, under seen wordings, under held-out wordings


@dataclass(frozen=True)
class RunView:
    """One run as the page shows it.

    `facts`: (name, value) rows of the manifest and the step records. `wordings`: for each split of the wordings that
    was probed, its rows as in `_wording_rows`.
    """

    name: str
    colour: str
    status: str
    reason: str
    summary: Summary
    guards: tuple[GuardRow, ...]
    wordings: tuple[tuple[Split, tuple[WordingRow, ...]], ...]
    facts: tuple[tuple[str, str], ...]
    config: str
    transcripts: tuple[Transcript, ...]


def render_page(runs: Sequence[Run], notes: Sequence[str] = (), show_sensitive: bool = False) -> str:
    """Render the whole page as text, from run folders alone.

    All text that a run wrote is escaped, and so are the notes. Replies of sensitive runs are left out, unless
    `show_sensitive`.
    """
    panels = [*main_panels(runs), *(extra_panels(runs[0]) if len(runs) == 1 else _wording_panels(runs))]
    return render(
        "page.html.jinja",
        draw=DRAW,
        plots=page_plots(panels),
        title=runs[0].name if len(runs) == 1 else f"{len(runs)} runs",
        organisms=named_builds(runs),
        disclosure=disclosed(runs, UNRECORDED),
        installed=INSTALLED if any(of_a_pretrained_model(run.config) for run in runs) else "",
        runs=[
            _view(run, colour, show_sensitive)
            for (_, arm), colour in zip(arms(runs), cycle(CYCLE), strict=False)
            for run in arm
        ],
        arms=[summarise_arm(group) for group in arms_of(runs) if len(group) > 1 and places_are_distinct(group)],
        panels=panels,
        notes=[*notes, *overlay_notices(runs)],
        show=show,
        splits=SPLITS,
        last_steps=LAST_STEPS,
        tiers=[tier for tier in TIERS if any(_tells(run, tier) for run in runs)] or TIERS,
        labels=(*ANSWER_LABELS, UNSCORED),
        moments=MOMENTS,
    )


def _tells(run: Run, tier: str) -> bool:
    return bool((run.probes["tier"] == tier).any())


def _wording_panels(runs: Sequence[Run]) -> list[Panel]:
    alone = [arm[0] for _, arm in arms(runs) if len(arm) == 1]
    panels = [wording_panel(run, split, f"{split.name.capitalize()}: {run.name}") for run in alone for split in SPLITS]
    return [panel for panel in panels if any(map(has_data, panel.series))]


def _view(run: Run, colour: str, show_sensitive: bool) -> RunView:
    return RunView(
        name=run.name,
        colour=colour,
        status=run.manifest.status,
        reason=run.manifest.reason or "",
        summary=summarise(run),
        guards=tuple(guard_rows(run)),
        wordings=tuple((split, rows) for split in SPLITS if (rows := tuple(_wording_rows(run, split)))),
        facts=tuple(_facts(run)),
        config=json.dumps(run.config, indent=2, ensure_ascii=False),
        transcripts=tuple(sample(run, show_sensitive)),
    )


def _wording_rows(run: Run, split: Split) -> list[WordingRow]:
    """List the rates under both kinds of wording at the first and the last probed step."""
    steps = run.probed_steps()
    rows = []
    for line in LINES:
        for step in dict.fromkeys([*steps[:1], *steps[-1:]]):
            seen, held_out = (
                recorded(run, line.metric, line.tier, step, name) for name in (split.seen, split.held_out)
            )
            if line.metric in {"faking_rate", "compliance_gap"} and seen.n + held_out.n:
                rows.append((line.label, step, seen, held_out))
    return rows


def _facts(run: Run) -> list[tuple[str, str]]:
    manifest = run.manifest
    dirty = {True: " with local changes", False: "", None: ""}[manifest.code_dirty]
    facts: list[tuple[str, Any]] = [
        ("status", f"{manifest.status}{': ' + manifest.reason if manifest.reason else ''}"),
        ("organism", f"{manifest.organism} ({manifest.organism_hash})"),
        ("build, seed", ", ".join(map(str, place_of(run)))),
        ("optimiser steps", len(run.steps)),
        ("tokens generated in training", f"{int(run.steps['generated_tokens'].sum()):,}"),
        ("started, finished (UTC)", f"{manifest.started}, {manifest.finished or 'not yet'}"),
        ("wall time by stage", _stages(run)),
        ("device, threads", f"{manifest.device}, {manifest.thread_count}"),
        ("precision of matrix products", manifest.precision or "float32"),
        ("code", f"{manifest.code_commit or 'unknown'}{dirty}"),
        ("packages", _pairs(manifest.package_versions)),
        ("rewards", _pairs(manifest.reward_hashes)),
        ("prompt sets", _pairs(manifest.prompt_set_hashes)),
        *((f"{kind} probe queries", said) for kind, said in manifest.probe_queries.items()),
        *([("requests", "a set of real harm")] if run.sensitive else []),
        ("labels by", manifest.label_source),
        *((f"labels of {label} validated on other text", said) for label, said in manifest.label_validation.items()),
        *(
            (f"labels of {label.yes} read by hand, step {step}", said)
            for label in READ_LABELS.values()
            for step, said in readings_of(run.path, label).items()
        ),
        *judge_facts(run),
        ("record schema", manifest.schema_version),
    ]
    return [(name, str(value)) for name, value in facts]


def _stages(run: Run) -> str:
    """Share out the recorded seconds among the stages; the last probe has no row behind it and isn't counted."""
    seconds = {name: float(run.steps[f"seconds_{name}"].sum()) for name in ("rollout", "reward", "update", "probe")}
    whole = sum(seconds.values())
    if not whole:
        return "none recorded"
    shares = ", ".join(f"{name} {spent / whole:.0%}" for name, spent in seconds.items())
    return f"{shares} of {whole:,.0f} s, without the last probe"


def _pairs(named: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(named.items())) or "none"
