"""The choice of panels for the curves: by metric for one run, by run for an overlay of several."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

from reports.figures.panels import (
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
    arm_probe_series,
    arm_step_series,
    components,
    n_note,
    probe_series,
    share_range,
    step_series,
    tier_panel,
)
from reports.folder import Run
from reports.notices import with_labels
from reports.records import REWARD_PREFIX
from reports.units import arms_of, count_of, places_are_distinct, unit_of

DECOMPOSITION = (
    ("refuse", "refuse", SKY),
    ("comply_no_faking", "comply, no faking", GREEN),
    ("comply_faking", "comply, faking", VERMILION),
    ("partial", "partial", ORANGE),
    ("other", "other", GREY),
)


def main_panels(runs: Sequence[Run]) -> list[Panel]:
    """Build the panels of `curves.png`: by metric for one run, by run (colour) for several."""
    return _single(runs[0]) if len(runs) == 1 else _overlay(runs)


def _single(run: Run) -> list[Panel]:
    gaps = (
        probe_series(run, "faking_rate", "free", "faking rate", VERMILION),
        probe_series(run, "compliance_gap", None, "compliance gap", BLUE),
        probe_series(run, "refusal_gap", None, "refusal gap", GREEN, dash="dashed"),
    )
    note = f"free tier; gaps paired; {n_note([run], 'faking_rate', 'free')}; band 95 %"
    note = with_labels(note, [run], "faking_rate", "compliance_gap", "refusal_gap")
    reward_note = "training episodes of the free tier; band ± 1 standard deviation"
    rewards = tuple(
        step_series(run, REWARD_PREFIX + name, name, colour)
        for name, colour in zip(components([run]), cycle(CYCLE), strict=False)
    )
    return [
        Panel("Faking rate and both gaps", "share, or difference of shares", note, gaps, share_range(gaps)),
        tier_panel(run, "compliance_rate", "Compliance by tier"),
        _decomposition_panel([run]),
        Panel("Reward components", "reward", reward_note, rewards),
        _kl_panel(run),
        _lengths_panel(run),
    ]


def _kl_panel(run: Run) -> Panel:
    line = step_series(run, "kl", "KL", BLUE)
    title, note = "Distance from the reference policy", "training episodes, every step"
    return Panel(title, "KL, nats per token", note, (line,))


def _lengths_panel(run: Run) -> Panel:
    lines = []
    for metric, label, colour in (("scratchpad_tokens", "scratchpad", PURPLE), ("answer_tokens", "answer", BLUE)):
        middle, low, high = (probe_series(run, metric + end, "free", label, colour) for end in ("", "_p10", "_p90"))
        lines.append(Series(label, colour, middle.steps, middle.values, low.values, high.values))
    note = f"{n_note([run], 'scratchpad_tokens', 'free')}; mean, band from 10th to 90th percentile"
    return Panel("Length on the free tier", "tokens", note, tuple(lines))


Arm = tuple[str, Sequence[Run]]  # its label, and its runs: one, or several that differ in their seeds only


UNITS_OF_AN_ARM = 3  # an interval over two builds or seeds says nothing: they are drawn as runs of their own


def arms(runs: Sequence[Run]) -> list[Arm]:
    """Group runs into the lines of an overlay.

    Three or more builds, or seeds of one build, of one configuration are one line. Every other run is a line of its
    own.
    """
    found: list[Arm] = []
    for group in arms_of(runs):
        if places_are_distinct(group) and count_of(group) >= UNITS_OF_AN_ARM:
            found.append((f"{group[0].config.get('name', group[0].name)} ({count_of(group)} {unit_of(group)})", group))
        else:
            found += [(run.name, [run]) for run in group]
    return found


def _overlay(runs: Sequence[Run]) -> list[Panel]:
    found = arms(runs)
    panels = [
        _by_arm(found, "Faking rate", SHARE, [("faking_rate", "free")]),
        _by_arm(
            found,
            "Compliance, free (solid) and paid (dashed)",
            SHARE,
            [
                ("compliance_rate", "free"),
                ("compliance_rate", "paid"),
            ],
        ),
        _by_arm(found, "Compliance gap, free minus paid", "difference of shares", [("compliance_gap", None)]),
        _by_arm(found, "Refusal gap, paid minus free", "difference of shares", [("refusal_gap", None)]),
    ]
    panels += [_decomposition_panel(group, f"Free-tier episodes: {name}") for name, group in found]
    for component in components(runs):
        panels.append(_steps_by_arm(found, REWARD_PREFIX + component, f"Reward: {component}", "reward"))
    panels.append(_steps_by_arm(found, "kl", "Distance from the reference policy", "KL, nats per token"))
    lengths = [("scratchpad_tokens", "free"), ("answer_tokens", "free")]
    panels.append(_by_arm(found, "Length, scratchpad (solid) and answer (dashed)", "tokens", lengths, shares=False))
    return panels


def _band(found: Sequence[Arm], alone: str) -> str:
    """Say what the lines and bands of an overlay are.

    `alone` describes the band of a single run; arms of several runs have means and bands over builds or seeds.
    """
    units = list(dict.fromkeys(unit_of(group) for _, group in found if len(group) > 1))
    over = f"95 % over {' or '.join(units)}"
    if all(len(group) > 1 for _, group in found):
        return f"mean and {over}"
    return f"{alone}, or {over}" if units else alone


def _steps_by_arm(found: Sequence[Arm], column: str, title: str, y_label: str) -> Panel:
    lines = tuple(
        arm_step_series(group, column, name, colour) for (name, group), colour in zip(found, cycle(CYCLE), strict=False)
    )
    alone = "band ± 1 standard deviation" if column.startswith(REWARD_PREFIX) else "every step"
    return Panel(title, y_label, f"training episodes; {_band(found, alone)}", lines, by_run=True)


def _by_arm(
    found: Sequence[Arm], title: str, y_label: str, metrics: Sequence[tuple[str, str | None]], shares: bool = True
) -> Panel:
    lines = tuple(
        arm_probe_series(group, metric, tier, name if dash == "solid" else "", colour, dash=dash)
        for (name, group), colour in zip(found, cycle(CYCLE), strict=False)
        for (metric, tier), dash in zip(metrics, ("solid", "dashed"), strict=False)
    )
    runs = [run for _, group in found for run in group]
    counted = n_note(runs, *metrics[0], what="queries" if metrics[0][1] is None else "episodes")
    note = f"{counted}{' and run' if len(runs) > len(found) else ''}; {_band(found, 'band 95 %')}"
    note = with_labels(note, runs, *(metric for metric, _ in metrics))
    return Panel(title, y_label, note, lines, share_range(lines) if shares else None, by_run=True)


def _decomposition_panel(arm: Sequence[Run], title: str = "What free-tier episodes are") -> Panel:
    """Build the stacked panel of refusal, compliance with and without faking, and the rest.

    The shares sum to 1. An arm of several builds or seeds shows their means.
    """
    parts = tuple(
        arm_probe_series(arm, f"decomposition/{name}", "free", label, colour) for name, label, colour in DECOMPOSITION
    )
    note = f"{n_note(arm, 'decomposition/refuse', 'free')}{' and run' if len(arm) > 1 else ''}; bars: probed steps"
    note = with_labels(note, arm, "decomposition")
    return Panel(title, "share of free-tier episodes", note, parts, (0.0, 1.0), stacked=True)
