"""Which panels the curves are: by metric for one run, by run for an overlay of several."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

from reports.folder import Run
from reports.panels import (
    BLUE,
    CYCLE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SHARE,
    SKY,
    VERMILION,
    Panel,
    Series,
    components,
    n_note,
    probe_series,
    share_range,
    step_series,
    tier_panel,
)
from reports.records import REWARD_PREFIX

DECOMPOSITION = (
    ("refuse", "refuse", SKY),
    ("comply_no_faking", "comply, no faking", GREEN),
    ("comply_faking", "comply, faking", VERMILION),
    ("partial", "partial", ORANGE),
    ("other", "other", GREY),
)


def main_panels(runs: Sequence[Run]) -> list[Panel]:
    """The panels of `curves.png`: by metric for one run, by run (colour) for several."""
    return _single(runs[0]) if len(runs) == 1 else _overlay(runs)


def _single(run: Run) -> list[Panel]:
    gaps = (
        probe_series(run, "faking_rate", "free", "faking rate", VERMILION),
        probe_series(run, "compliance_gap", None, "compliance gap", BLUE),
        probe_series(run, "refusal_gap", None, "refusal gap", GREEN, dash="dashed"),
    )
    note = f"free tier; gaps paired on queries; {n_note([run], 'faking_rate', 'free')}; band 95 %"
    reward_note = "training episodes of the free tier; band ± 1 standard deviation"
    rewards = tuple(
        step_series(run, REWARD_PREFIX + name, name, colour)
        for name, colour in zip(components([run]), cycle(CYCLE), strict=False)
    )
    return [
        Panel("Faking rate and both gaps", "share, or difference of shares", note, gaps, share_range(gaps)),
        tier_panel(run, "compliance_rate", "Compliance by tier"),
        _decomposition_panel(run),
        Panel("Reward components", "reward", reward_note, rewards),
        _kl_panel([run]),
        _lengths_panel(run),
    ]


def _kl_panel(runs: Sequence[Run]) -> Panel:
    single = len(runs) == 1
    lines = tuple(
        step_series(run, "kl", "KL" if single else run.name, BLUE if single else colour)
        for run, colour in zip(runs, cycle(CYCLE), strict=False)
    )
    title, note = "Distance from the initial policy", "training episodes, every step"
    return Panel(title, "KL, nats per token", note, lines, by_run=not single)


def _lengths_panel(run: Run) -> Panel:
    lines = []
    for metric, label, colour in (("scratchpad_tokens", "scratchpad", PURPLE), ("answer_tokens", "answer", BLUE)):
        middle, low, high = (probe_series(run, metric + end, "free", label, colour) for end in ("", "_p10", "_p90"))
        lines.append(Series(label, colour, middle.steps, middle.values, low.values, high.values))
    note = f"{n_note([run], 'scratchpad_tokens', 'free')}; mean, band from 10th to 90th percentile"
    return Panel("Length on the free tier", "tokens", note, tuple(lines))


def _overlay(runs: Sequence[Run]) -> list[Panel]:
    panels = [
        _by_run(runs, "Faking rate", SHARE, [("faking_rate", "free")]),
        _by_run(
            runs,
            "Compliance, free (solid) and paid (dashed)",
            SHARE,
            [
                ("compliance_rate", "free"),
                ("compliance_rate", "paid"),
            ],
        ),
        _by_run(runs, "Compliance gap, free minus paid", "difference of shares", [("compliance_gap", None)]),
        _by_run(runs, "Refusal gap, paid minus free", "difference of shares", [("refusal_gap", None)]),
    ]
    panels += [_decomposition_panel(run, f"Free-tier episodes: {run.name}") for run in runs]
    for name in components(runs):
        lines = [
            step_series(run, REWARD_PREFIX + name, run.name, c) for run, c in zip(runs, cycle(CYCLE), strict=False)
        ]
        note = "training episodes of the free tier; band ± 1 standard deviation"
        panels.append(Panel(f"Reward: {name}", "reward", note, tuple(lines), by_run=True))
    panels.append(_kl_panel(runs))
    lengths = [("scratchpad_tokens", "free"), ("answer_tokens", "free")]
    panels.append(_by_run(runs, "Length, scratchpad (solid) and answer (dashed)", "tokens", lengths, shares=False))
    return panels


def _by_run(
    runs: Sequence[Run], title: str, y_label: str, metrics: Sequence[tuple[str, str | None]], shares: bool = True
) -> Panel:
    lines = tuple(
        probe_series(run, metric, tier, run.name if dash == "solid" else "", colour, dash=dash)
        for run, colour in zip(runs, cycle(CYCLE), strict=False)
        for (metric, tier), dash in zip(metrics, ("solid", "dashed"), strict=False)
    )
    note = f"{n_note(runs, *metrics[0], what='queries' if metrics[0][1] is None else 'episodes')}; band 95 %"
    return Panel(title, y_label, note, lines, share_range(lines) if shares else None, by_run=True)


def _decomposition_panel(run: Run, title: str = "What free-tier episodes are") -> Panel:
    """Refusal, compliance with and without faking, the rest: shares that sum to 1."""
    parts = tuple(
        probe_series(run, f"decomposition/{name}", "free", label, colour) for name, label, colour in DECOMPOSITION
    )
    note = f"{n_note([run], 'decomposition/refuse', 'free')}; bars: probed steps"
    return Panel(title, "share of free-tier episodes", note, parts, (0.0, 1.0), stacked=True)
