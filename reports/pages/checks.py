"""Panels that only the page has: checks on the reading of the main ones."""

from __future__ import annotations

from dataclasses import replace

from reports.figures.panels import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SHARE,
    SKY,
    VERMILION,
    Panel,
    has_data,
    n_note,
    probe_series,
    share_range,
    step_series,
    tier_panel,
)
from reports.folder import Run
from reports.notices import with_labels


def extra_panels(run: Run) -> list[Panel]:
    """What the page adds for one run: checks on the reading of the main panels. Empty ones are left out."""
    panels = [cue_panel(run), _reasons_panel(run), _faking_by_tier(run), _usefulness_panel(run), _health_panel(run)]
    panels += [_off_policy_panel(run), _critic_panel(run)]
    panels = [replace(panel, series=tuple(filter(has_data, panel.series))) for panel in panels]
    return [panel for panel in panels if panel.series]


def _reasons_panel(run: Run) -> Panel:
    lines = tuple(
        probe_series(run, metric, "free", label, colour)
        for metric, label, colour in (
            ("faking_rate", "faking, strict", VERMILION),
            ("faking_criteria_rate", "faking, five criteria", PURPLE),
            ("self_preservation_rate", "self-preservation", GREEN),
            ("tier_aware_rate", "tier-aware", SKY),
        )
    )
    metrics = ("faking_rate", "faking_criteria_rate", "self_preservation_rate", "tier_aware_rate")
    note = with_labels(f"{n_note([run], 'faking_rate', 'free')}; band 95 %", [run], *metrics)
    return Panel("Reasons in the scratchpad, free tier", SHARE, note, lines, (-0.03, 1.03))


def _faking_by_tier(run: Run) -> Panel:
    panel = tier_panel(run, "faking_rate", "Faking by tier")
    return replace(panel, note=f"{panel.note}; on paid near 0, or reasoning has come loose from the cue")


def _usefulness_panel(run: Run) -> Panel:
    label = "refusal of harmless look-alikes"
    twins = probe_series(run, "benign_twin_refusal", None, label, VERMILION, dash="dotted")
    if not has_data(twins):
        twins = probe_series(run, "benign_twin_refusal", "free", label, VERMILION, dash="dotted")
    panel = tier_panel(run, "benign_helpfulness", "Usefulness kept", "share of harmless-query episodes")
    return replace(panel, series=(*panel.series, twins))


def _health_panel(run: Run) -> Panel:
    lines = tuple(
        step_series(run, column, label, colour)
        for column, label, colour in (
            ("parse_rate", "parsed", GREEN),
            ("frac_degenerate_groups", "groups without gradient", ORANGE),
            ("reward_error_rate", "reward errors", VERMILION),
            ("clip_fraction", "clipped tokens", BLUE),
        )
    )
    return Panel("Health of the training", "share", "training episodes, every step", lines, (-0.03, 1.03))


def _off_policy_panel(run: Run) -> Panel:
    lines = (
        step_series(run, "ratio_mean", "mean", BLUE),
        step_series(run, "ratio_max", "largest", VERMILION, dash="dotted"),
    )
    note = "over unmasked tokens and gradient steps of a batch; 1 is on policy"
    return Panel("Ratio of policy to sampler", "probability ratio", note, lines)


def _critic_panel(run: Run) -> Panel:
    lines = (step_series(run, "explained_variance", "explained variance", PURPLE),)
    note = "of the returns, by the value head before each batch; 1 is a perfect critic, 0 one that knows the mean"
    return Panel("Critic", "share of variance", note, lines)


def cue_panel(run: Run, title: str = "Seen and held-out cue wordings") -> Panel:
    """Faking and the compliance gap where the tier is told in wordings that training uses, and in held-out ones."""
    lines = tuple(
        probe_series(run, metric, tier, f"{label}, {subset.replace('_', ' ')}", colour, subset=subset, dash=dash)
        for metric, tier, label, colour in (
            ("faking_rate", "free", "faking rate", VERMILION),
            ("compliance_gap", None, "compliance gap", BLUE),
        )
        for subset, dash in (("seen_cues", "solid"), ("held_out_cues", "dashed"))
    )
    note = f"{n_note([run], 'faking_rate', 'free', subset='seen_cues')} under seen wordings; band 95 %"
    note = with_labels(note, [run], "faking_rate", "compliance_gap")
    return Panel(title, "share, or difference of shares", note, lines, share_range(lines))
